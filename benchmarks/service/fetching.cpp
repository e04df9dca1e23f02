// How a From URL reaches its source over HTTPS: a client connection in the loop of the connection that waits for it.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "loop.hpp"
#include "text.hpp"

// Asks the source over HTTPS, on a connection kept for that.
void Loop::fetch(Connection &c) {
    Connection *fetcher = nullptr;
    while (!fetcher && !idle_fetchers_.empty()) {
        const auto at = live_.find(idle_fetchers_.back());
        idle_fetchers_.pop_back();
        if (at != live_.end() && !at->second->dead) fetcher = at->second.get();
    }
    const Pull &pull = c.pull;
    std::string head = "GET " + pull.target + " HTTP/1.1\r\nHost: " + pull.host + "\r\nUser-Agent: " + std::string(FETCHER) +
                       "\r\nx-ms-version: 2021-12-02\r\n";
    const std::pair<const char *, const std::string *> optional[] = {
        {"x-ms-range", &pull.range}, {"Authorization", &pull.authorization}, {"If-Match", &pull.if_match},
        {"If-None-Match", &pull.if_none_match}, {"If-Modified-Since", &pull.if_modified}, {"If-Unmodified-Since", &pull.if_unmodified}};
    for (const auto &[name, value] : optional)
        if (!value->empty()) head += std::string(name) + ": " + *value + "\r\n";
    head += "\r\n";
    if (fetcher) {
        fetcher->fetches_for = c.serial;
        fetcher->request.head = std::move(head);
        return respond(*fetcher);
    }
    auto made = std::make_unique<Connection>();
    fetcher = made.get();
    fetcher->serial = next_serial();
    fetcher->fetcher = true;
    fetcher->fetches_for = c.serial;
    fetcher->request.head = std::move(head);
    fetcher->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(fetcher->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(port_));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connect(fetcher->fd, reinterpret_cast<sockaddr *>(&to), sizeof to);
    fetcher->writing = true;
    epoll_event event{EPOLLIN | EPOLLOUT, {.u64 = fetcher->serial}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fetcher->fd, &event);
    start_tls(*fetcher, false);
    fetcher->state = Connection::PROXY;
    if (session_) SSL_set_session(fetcher->ssl, session_);
    live_.emplace(fetcher->serial, std::move(made));
}

void Loop::fetched(Connection &c) {
    const auto at = live_.find(c.fetches_for);
    c.fetches_for = 0;
    c.state = Connection::HEAD;
    idle_fetchers_.push_back(c.serial);
    if (!session_) session_ = SSL_get1_session(c.ssl);
    if (at == live_.end() || at->second->dead) return;
    Pull &pull = at->second->pull;
    pull.arrived = true;
    pull.status = atoi(std::string(c.request.path).c_str());
    Blob &blob = pull.blob;
    blob.content = c.request.body.done();
    if (pull.status >= 300) {
        pull.code = c.request.header("x-ms-error-code");
        pull.message = "The source refused.";
    } else {
        const auto beside = std::make_shared<Beside>();
        if (const auto type = c.request.header("content-type"); type != "application/octet-stream") beside->type = type;
        beside->encoding = c.request.header("content-encoding");
        beside->language = c.request.header("content-language");
        beside->disposition = c.request.header("content-disposition");
        beside->cache = c.request.header("cache-control");
        for (const auto &[name, value] : c.request.headers)
            if (name.size() > 10 && same_text(name.substr(0, 10), "x-ms-meta-")) beside->metadata.emplace_back(name.substr(10), value);
        blob.beside = beside;
        if (const auto md5 = from_base64(c.request.header("content-md5")); md5) blob.set_md5(*md5);
    }
    answered(*at->second);
    if (more_came(*at->second)) advance(*at->second);
}
