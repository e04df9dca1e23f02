#include "loop.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdexcept>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>

#include "text.hpp"

namespace {

constexpr size_t SCRATCH = 256 << 10, AHEAD = 256 << 10, LONGEST_HEAD = 64 << 10;
std::atomic<uint64_t> next_request{1};

int to_wire(BIO *bio, const char *data, size_t size, size_t *written) {
    static_cast<Connection *>(BIO_get_data(bio))->wire.append(data, size);
    *written = size;
    return 1;
}
long control_wire(BIO *, int what, long, void *) { return what == BIO_CTRL_FLUSH ? 1 : 0; }

const char *reason(int status) {
    switch (status) {
        case 200: return "OK";
        case 201: return "Created";
        case 202: return "Accepted";
        case 204: return "No Content";
        case 206: return "Partial Content";
        case 304: return "Not Modified";
        case 404: return "Not Found";
        case 409: return "Conflict";
        case 412: return "Precondition Failed";
        case 503: return "Service Unavailable";
        default: return status < 500 ? "Refused" : "Error";
    }
}

std::string request_id() {
    char text[48];
    snprintf(text, sizeof text, "5eb0c000-001e-0000-0000-%012llx",
             static_cast<unsigned long long>(next_request.fetch_add(1, std::memory_order_relaxed)));
    return text;
}

}  // namespace

uint64_t Loop::next_serial() {
    static std::atomic<uint64_t> next{1};
    return next.fetch_add(1);
}

Tls::Tls(const std::string &certificate, const std::string &key) {
    server = SSL_CTX_new(TLS_server_method());
    client = SSL_CTX_new(TLS_client_method());
    if (SSL_CTX_use_certificate_chain_file(server, certificate.c_str()) != 1 ||
        SSL_CTX_use_PrivateKey_file(server, key.c_str(), SSL_FILETYPE_PEM) != 1)
        throw std::runtime_error("the certificate or its key cannot be read");
    for (SSL_CTX *context : {server, client}) {
        SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
        SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384");
        SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_CIPHER_SERVER_PREFERENCE);
        SSL_CTX_set_read_ahead(context, 1);
        SSL_CTX_set_default_read_buffer_len(context, 64 << 10);
    }
    SSL_CTX_set_session_id_context(server, reinterpret_cast<const unsigned char *>("bench"), 5);
    SSL_CTX_set_num_tickets(server, 1);
    SSL_CTX_set_verify(client, SSL_VERIFY_NONE, nullptr);  // of this process, to this process
    to_wire = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire");
    BIO_meth_set_write_ex(to_wire, ::to_wire);
    BIO_meth_set_ctrl(to_wire, control_wire);
}

Loop::Loop(const Tls &tls, int port, unsigned seed)
    : tls_(tls), port_(port), epoll_(epoll_create1(0)), scratch_(new char[SCRATCH]), random_(seed), wake_(eventfd(0, EFD_NONBLOCK)) {
    epoll_event event{EPOLLIN, {.u64 = 0}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event);
}

void Loop::adopt(int fd) {
    {
        std::lock_guard lock(guard_);
        arrived_.push_back(fd);
    }
    const uint64_t one = 1;
    if (write(wake_, &one, sizeof one) < 0) return;  // the counter is full: it will wake up anyway
}

void Loop::run(int listener, std::vector<std::unique_ptr<Loop>> &all) {
    constexpr uint64_t LISTENER = ~0ull;
    if (listener >= 0) {
        epoll_event event{EPOLLIN, {.u64 = LISTENER}};
        epoll_ctl(epoll_, EPOLL_CTL_ADD, listener, &event);
    }
    size_t turn = 0;
    epoll_event events[256];
    for (;;) {
        int wait = -1;
        if (!timers_.empty()) wait = static_cast<int>(std::max(0.0, (timers_.top().first - now_precise()) * 1000 + 0.999));
        const int count = epoll_wait(epoll_, events, 256, wait);
        for (int n = 0; n < count; ++n) {
            const uint64_t serial = events[n].data.u64;
            if (serial == LISTENER) {
                for (int fd; (fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;)
                    all[turn++ % all.size()]->adopt(fd);
            } else if (serial == 0) {
                uint64_t sink;
                if (read(wake_, &sink, sizeof sink) < 0) continue;
                std::vector<int> fresh;
                {
                    std::lock_guard lock(guard_);
                    fresh.swap(arrived_);
                }
                for (const int fd : fresh) {
                    const int on = 1;
                    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                    auto made = std::make_unique<Connection>();
                    made->serial = next_serial();
                    made->fd = fd;
                    epoll_event event{EPOLLIN, {.u64 = made->serial}};
                    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
                    const int64_t open = store.connections.fetch_add(1) + 1;
                    if (open > store.peak_connections) store.peak_connections = open;
                    live_.emplace(made->serial, std::move(made));
                }
            } else if (const auto at = live_.find(serial); at != live_.end() && !at->second->dead) {
                event(*at->second, events[n].events);
            }
        }
        const double now = timers_.empty() ? 0 : now_precise();
        while (!timers_.empty() && timers_.top().first <= now) {
            const auto at = live_.find(timers_.top().second);
            timers_.pop();
            if (at != live_.end() && !at->second->dead) {
                respond(*at->second);
                if (more_came(*at->second)) advance(*at->second);
            }
        }
        for (const uint64_t serial : graves_) live_.erase(serial);
        graves_.clear();
    }
}

void Loop::event(Connection &c, uint32_t what) {
    if (what & (EPOLLERR | EPOLLHUP)) return drop(c, false);
    if (what & EPOLLOUT) {
        if (c.fetcher && c.state == Connection::PROXY) c.state = Connection::HANDSHAKE;
        if (c.state == Connection::HANDSHAKE || pump(c)) advance(c);
        if (c.dead) return;
    }
    if (what & EPOLLIN) {
        // A peer that speaks or hangs up while it is being answered is heard afterwards.
        if (c.state == Connection::BUSY || c.state == Connection::SENDING) watch(c, false, c.writing);
        else advance(c);
    }
}

void Loop::watch(Connection &c, bool reading, bool writing) {
    if (c.dead || (c.reading == reading && c.writing == writing)) return;
    c.reading = reading, c.writing = writing;
    epoll_event event{(reading ? EPOLLIN : 0u) | (writing ? EPOLLOUT : 0u), {.u64 = c.serial}};
    epoll_ctl(epoll_, EPOLL_CTL_MOD, c.fd, &event);
}

void Loop::drop(Connection &c, bool reset) {
    if (c.dead) return;
    c.dead = true;
    if (reset) {
        const linger at_once{1, 0};
        setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    if (c.counted) store.counters[c.side].leave();
    if (c.ssl) SSL_free(c.ssl);
    c.ssl = nullptr;
    close(c.fd);
    graves_.push_back(c.serial);
    if (!c.fetcher) {
        store.connections.fetch_sub(1);
    } else if (c.fetches_for) {
        if (const auto at = live_.find(c.fetches_for); at != live_.end() && !at->second->dead) {
            Pull &pull = at->second->pull;
            pull.arrived = true, pull.status = 500, pull.code = "InternalError", pull.message = "The source was not reached.";
            answered(*at->second);
        }
    }
}

void Loop::start_tls(Connection &c, bool accepts) {
    c.ssl = SSL_new(accepts ? tls_.server : tls_.client);
    BIO *out = BIO_new(tls_.to_wire);
    BIO_set_data(out, &c);
    BIO_set_init(out, 1);
    SSL_set_bio(c.ssl, BIO_new_socket(c.fd, BIO_NOCLOSE), out);
    if (accepts) SSL_set_accept_state(c.ssl);
    else SSL_set_connect_state(c.ssl);
    c.state = Connection::HANDSHAKE;
}

// Whether the next request has begun to arrive already; else the socket will say so.
bool Loop::more_came(const Connection &c) {
    return !c.dead && c.state == Connection::HEAD && (c.in_at < c.in.size() || SSL_has_pending(c.ssl));
}

// Moves a connection on until it has to wait for its peer, a timer or a source.
void Loop::advance(Connection &c) {
    bool more = true;
    while (more && !c.dead) switch (c.state) {
            case Connection::PROXY: more = read_proxy(c); break;
            case Connection::HANDSHAKE: more = shake_hands(c); break;
            case Connection::HEAD: more = read_head(c); break;
            case Connection::BODY: more = read_body(c); break;
            case Connection::BUSY:
            case Connection::SENDING: more = false; break;
        }
}

void Loop::plain(Connection &c, std::string_view text) {
    if (send(c.fd, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size())) drop(c, false);
}

bool Loop::read_proxy(Connection &c) {
    char first;
    const ssize_t peeked = recv(c.fd, &first, 1, MSG_PEEK);
    if (peeked <= 0) {
        if (peeked == 0 || errno != EAGAIN) drop(c, false);
        return false;
    }
    if (first == 0x16) return start_tls(c, true), true;  // TLS without CONNECT
    char text[4096];
    const ssize_t got = recv(c.fd, text, sizeof text, 0);
    if (got <= 0) return drop(c, false), false;
    c.in.append(text, static_cast<size_t>(got));
    if (c.in.find("\r\n\r\n") == std::string::npos) return c.in.size() < LONGEST_HEAD;
    const size_t space = c.in.find(' ');
    const std::string host = c.in.substr(space + 1, c.in.find(':', space) - space - 1);
    std::string account;
    Side side;
    if (c.in.compare(0, 8, "CONNECT ") || !locate_host(host, side, account)) {
        plain(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        return drop(c, false), false;
    }
    c.in.clear();
    plain(c, "HTTP/1.1 200 Connection established\r\n\r\n");
    if (!c.dead) start_tls(c, true);
    return true;
}

bool Loop::shake_hands(Connection &c) {
    const int done = SSL_do_handshake(c.ssl);
    const int why = done == 1 ? SSL_ERROR_NONE : SSL_get_error(c.ssl, done);
    ERR_clear_error();
    if (done != 1 && why != SSL_ERROR_WANT_READ) return drop(c, false), false;
    if (done == 1) c.state = c.fetcher ? Connection::SENDING : Connection::HEAD;
    if (c.fetcher && done == 1) return respond(c), false;
    if (!pump(c)) return false;
    return done == 1;
}

// Plain text into the scratch; 0: nothing there, -1: the connection is gone.
long Loop::fill(Connection &c) {
    const int got = SSL_read(c.ssl, scratch_.get(), SCRATCH);
    if (got > 0) return got;
    const int why = SSL_get_error(c.ssl, got);
    ERR_clear_error();
    if (why == SSL_ERROR_WANT_READ) {
        watch(c, true, c.writing);
        return 0;
    }
    drop(c, false);
    return -1;
}

bool Loop::read_head(Connection &c) {
    const size_t end = c.in.find("\r\n\r\n", c.in_at);
    if (end == std::string::npos) {
        if (c.in.size() > LONGEST_HEAD) return drop(c, true), false;
        const long got = fill(c);
        if (got <= 0) return false;
        c.in.append(scratch_.get(), static_cast<size_t>(got));
        return true;
    }
    c.request.head.assign(c.in, c.in_at, end + 4 - c.in_at);
    c.in_at = end + 4;
    if (c.in_at == c.in.size()) c.in.clear(), c.in_at = 0;
    if (c.fetcher) {
        // An answer reads as a request does: its first line is another one.
        c.request.parse();
    } else {
        c.answer = Answer();
        c.pull = Pull();
        std::string account;
        if (!c.request.parse() || !locate_host(c.request.host, c.side, account)) {
            c.answer.status = 400;
            c.close_after = true;
            return respond(c), false;
        }
        c.counted = true;
        store.counters[c.side].enter();
        if (c.request.expects_continue) {
            SSL_write(c.ssl, "HTTP/1.1 100 Continue\r\n\r\n", 25);
            pump(c);
        }
    }
    c.request.body.begin();
    c.left = c.request.body_size;
    c.state = Connection::BODY;
    return true;
}

bool Loop::read_body(Connection &c) {
    if (c.left && c.in_at < c.in.size()) {
        const size_t take = std::min<uint64_t>(c.left, c.in.size() - c.in_at);
        c.request.body.take(c.in.data() + c.in_at, take);
        c.left -= take;
        c.in_at += take;
        if (c.in_at == c.in.size()) c.in.clear(), c.in_at = 0;
    }
    if (c.left) {
        const long got = fill(c);
        if (got <= 0) return false;
        const size_t take = std::min<uint64_t>(c.left, static_cast<uint64_t>(got));
        c.request.body.take(scratch_.get(), take);
        c.left -= take;
        c.in.append(scratch_.get() + take, static_cast<size_t>(got) - take);
        if (c.left) return true;
    }
    if (c.fetcher) {
        fetched(c);
        return false;
    }
    handle(c);
    return more_came(c);
}

void Loop::handle(Connection &c) {
    Counters &counters = store.counters[c.side];
    counters.bytes_in.fetch_add(c.request.body_size, std::memory_order_relaxed);
    c.state = Connection::BUSY;
    std::string account;
    locate_host(c.request.host, c.side, account);
    if (account.empty()) {
        try {
            serve_authority(c.request, c.side, c.answer);
        } catch (const Refusal &refusal) {
            c.answer = refused(refusal, SIGN_IN);
        }
        return answered(c);
    }
    const Conduct &conduct = store.conduct;
    const bool for_pull = c.request.header("user-agent") == FETCHER;
    if (!for_pull && chance(conduct.reset_before)) {
        counters.faulted.fetch_add(1, std::memory_order_relaxed);
        return drop(c, true);
    }
    if (!for_pull && chance(conduct.busy)) {
        counters.faulted.fetch_add(1, std::memory_order_relaxed);
        Refusal refusal(503, "ServerBusy", "The server is busy.");
        if (conduct.retry_after >= 0) refusal.headers = "Retry-After: " + std::to_string(conduct.retry_after) + "\r\n";
        c.answer = refused(refusal, UNKNOWN);
        return answered(c);
    }
    answered(c);
}

// Makes the answer where there is none yet, and sends it now or later.
void Loop::answered(Connection &c) {
    const bool for_pull = c.request.header("user-agent") == FETCHER;
    if (c.answer.kind == UNKNOWN && c.answer.status != 503) {
        try {
            if (!serve_blob(c.request, c.answer, c.pull)) {
                if (store.conduct.fetch) return fetch(c);
                look_up(c.pull);
                serve_blob(c.request, c.answer, c.pull);
            }
        } catch (const Refusal &refusal) {
            c.answer = refused(refusal, c.answer.kind);
        }
        if (c.answer.status >= 400) store.counters[c.side].refused.fetch_add(1, std::memory_order_relaxed);
    } else if (c.pull.arrived) {
        try {
            serve_blob(c.request, c.answer, c.pull);
        } catch (const Refusal &refusal) {
            c.answer = refused(refusal, c.answer.kind);
        }
        if (c.answer.status >= 400) store.counters[c.side].refused.fetch_add(1, std::memory_order_relaxed);
    }
    const Kind kind = for_pull && c.answer.kind == GET_BLOB ? PULLED : c.answer.kind;
    store.counters[c.side].kinds[kind].fetch_add(1, std::memory_order_relaxed);
    const bool lists = kind == LIST_BLOBS || kind == LIST_CONTAINERS;
    const double latency = for_pull ? 0.0 : lists ? store.conduct.list_latency.load() : store.conduct.latency.load();
    if (latency > 0) {
        timers_.emplace(now_precise() + latency, c.serial);
        watch(c, c.reading, c.writing);
        return;
    }
    respond(c);
}

void Loop::respond(Connection &c) {
    std::string head;
    const Conduct &conduct = store.conduct;
    c.body_at = c.body_end = 0;
    if (c.fetcher) {
        head = c.request.head;
    } else {
        head.reserve(1024);
        head = "HTTP/1.1 " + std::to_string(c.answer.status) + " " + reason(c.answer.status) + "\r\n";
        if (c.answer.status != 204 && c.answer.status != 304)
            head += "Content-Length: " + std::to_string(c.answer.body.size) + "\r\n";
        head += c.answer.headers;
        head += "Server: Windows-Azure-Blob/1.0\r\nx-ms-request-id: " + request_id() + "\r\n";
        if (const auto version = c.request.header("x-ms-version"); !version.empty())
            head.append("x-ms-version: ").append(version).append("\r\n");
        if (const auto id = c.request.header("x-ms-client-request-id"); !id.empty())
            head.append("x-ms-client-request-id: ").append(id).append("\r\n");
        head += "Date: " + http_date(now_seconds()) + "\r\n\r\n";
        const bool fair = c.request.header("user-agent") != FETCHER && c.answer.kind != SIGN_IN && c.answer.status < 300;
        if (fair && chance(conduct.reset_after)) {
            store.counters[c.side].faulted.fetch_add(1, std::memory_order_relaxed);
            return drop(c, true);
        }
        if (c.request.method != "HEAD") {
            c.body = std::move(c.answer.body);
            c.body_end = c.body.size;
            if (fair && c.body_end > 1 && chance(conduct.truncate)) {
                store.counters[c.side].faulted.fetch_add(1, std::memory_order_relaxed);
                c.body_end /= 2;
                c.close_after = true;
            }
            store.counters[c.side].bytes_out.fetch_add(c.body_end, std::memory_order_relaxed);
        }
        if (same_text(c.request.header("connection"), "close")) c.close_after = true;
    }
    // The head and the first bytes go into the same records.
    if (c.body_end) {
        const auto run = c.body.run(0).substr(0, std::min<uint64_t>(c.body_end, 64 << 10));
        head.append(run);
        c.body_at = run.size();
    }
    c.state = Connection::SENDING;
    SSL_write(c.ssl, head.data(), static_cast<int>(head.size()));
    pump(c);
}

// Sends what is to be sent. True when all of it is on its way and the connection may go on.
bool Loop::pump(Connection &c) {
    for (;;) {
        while (c.body_at < c.body_end && c.wire.size() - c.wire_at < AHEAD) {
            const auto run = c.body.run(c.body_at);
            const size_t take = std::min<uint64_t>(std::min<uint64_t>(run.size(), c.body_end - c.body_at), 64 << 10);
            SSL_write(c.ssl, run.data(), static_cast<int>(take));
            c.body_at += take;
        }
        if (c.wire_at == c.wire.size()) break;
        const ssize_t sent = send(c.fd, c.wire.data() + c.wire_at, c.wire.size() - c.wire_at, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EAGAIN) return watch(c, c.reading, true), false;
            return drop(c, false), false;
        }
        c.wire_at += static_cast<size_t>(sent);
        if (c.wire_at == c.wire.size()) c.wire.clear(), c.wire_at = 0;
    }
    if (c.writing) watch(c, c.reading, false);
    if (c.state != Connection::SENDING) return true;
    c.body = Content();
    c.body_at = c.body_end = 0;
    if (c.counted) store.counters[c.side].leave();
    c.counted = false;
    if (c.close_after) {
        SSL_shutdown(c.ssl);
        plain(c, c.wire);
        return drop(c, false), false;
    }
    c.state = Connection::HEAD;
    watch(c, true, false);
    return more_came(c);
}
