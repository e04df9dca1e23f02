// Asks the service as fast as plain sockets can, to show where its limits are: get, put, pull, list, over TLS.
// Each thread writes one request to each of its connections, then reads all answers, so as many are in flight.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>


namespace {

const char SOURCE[] = "benchsource.blob.core.windows.net", TARGET[] = "benchtarget.blob.core.usgovcloudapi.net";
const char SAS[] = "sp=rwdlac&se=2099-01-01T00%3A00%3A00Z&sig=YmVuY2g%3D";

struct Options {
    int port = 0, threads = 1, connections = 32;
    unsigned long requests = 10000, names = 10000;
    std::string mode = "get";
} options;

struct Answer {
    int status = 0;
    std::string body, head;
};

class Client {
  public:
    explicit Client(SSL_CTX *context) {
        fd_ = socket(AF_INET, SOCK_STREAM, 0);
        const int on = 1;
        setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(static_cast<uint16_t>(options.port));
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (connect(fd_, reinterpret_cast<sockaddr *>(&to), sizeof to)) throw std::runtime_error("no service there");
        ssl_ = SSL_new(context);
        SSL_set_fd(ssl_, fd_);
        if (SSL_connect(ssl_) != 1) throw std::runtime_error("no TLS");
    }
    ~Client() {
        SSL_free(ssl_);
        close(fd_);
    }
    void ask(const std::string &head, const std::string &body) {
        // Small ones in one write; a large body is not copied for it.
        if (body.size() < 64 << 10) return put(head + body);
        put(head);
        put(body);
    }
    const Answer &answer(bool keep) {
        if (in_.size() < 256 << 10) in_.resize(256 << 10);
        size_t have = 0, end;
        answer_.head.clear(), answer_.body.clear();
        for (;;) {
            const int got = SSL_read(ssl_, in_.data() + have, static_cast<int>(in_.size() - have));
            if (got <= 0) throw std::runtime_error("the service hung up");
            have += static_cast<size_t>(got);
            end = std::string_view(in_.data(), have).find("\r\n\r\n");
            if (end != std::string::npos) break;
        }
        answer_.head.assign(in_.data(), end + 4);
        answer_.status = atoi(answer_.head.c_str() + 9);
        const size_t at = answer_.head.find("Content-Length: ");
        size_t left = at == std::string::npos ? 0 : strtoul(answer_.head.c_str() + at + 16, nullptr, 10);
        size_ = left;
        if (keep) answer_.body.append(in_.data() + end + 4, have - end - 4);
        left -= have - end - 4;
        while (left) {
            const int got = SSL_read(ssl_, in_.data(), static_cast<int>(std::min(left, in_.size())));
            if (got <= 0) throw std::runtime_error("the service hung up");
            if (keep) answer_.body.append(in_.data(), static_cast<size_t>(got));
            left -= static_cast<size_t>(got);
        }
        return answer_;
    }
    size_t size() const { return size_; }

  private:
    void put(const std::string &text) {
        for (size_t at = 0; at < text.size();) {
            const int sent = SSL_write(ssl_, text.data() + at, static_cast<int>(text.size() - at));
            if (sent <= 0) throw std::runtime_error("the service hung up");
            at += static_cast<size_t>(sent);
        }
    }
    int fd_;
    SSL *ssl_;
    std::vector<char> in_;
    Answer answer_;
    size_t size_ = 0;
};

std::string name_of(unsigned long n) {
    char text[64];
    snprintf(text, sizeof text, "d%04lu/f%08lu.bin", n / 1000, n);
    return text;
}

std::string head_of(unsigned long n, const std::string &body) {
    const std::string name = name_of(n % options.names), plain = std::string("x-ms-version: 2021-12-02\r\nAccept: */*\r\n");
    const std::string get = "GET /data/" + name + "?" + SAS + " HTTP/1.1\r\nHost: " + SOURCE + "\r\n" + plain + "\r\n";
    if (options.mode == "get") return get;
    const std::string put = "PUT /limit/" + name_of(n) + "?" + SAS + " HTTP/1.1\r\nHost: " + TARGET + "\r\n" + plain +
                            "x-ms-blob-type: BlockBlob\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
    if (options.mode == "put") return put + "\r\n";
    return put + "x-ms-copy-source: https://" + SOURCE + "/data/" + name + "?" + SAS + "\r\n\r\n";
}

std::string body_of(Client &client, unsigned long n) {
    client.ask("GET /data/" + name_of(n % options.names) + "?" + SAS + " HTTP/1.1\r\nHost: " + SOURCE + "\r\n\r\n", "");
    return client.answer(true).body;
}

void work(SSL_CTX *context, int number, std::atomic<unsigned long> &bytes, std::atomic<unsigned long> &done) {
    std::vector<std::unique_ptr<Client>> clients;
    for (int n = 0; n < options.connections; ++n) clients.push_back(std::make_unique<Client>(context));
    std::vector<std::string> bodies(1);
    if (options.mode == "put") {
        bodies.clear();
        for (unsigned long n = 0; n < 16; ++n) bodies.push_back(body_of(*clients[0], n));
    }
    const unsigned long share = options.requests / static_cast<unsigned long>(options.threads), first = share * static_cast<unsigned long>(number);
    for (unsigned long at = 0; at < share; at += clients.size()) {
        const size_t batch = std::min(clients.size(), share - at);
        for (size_t n = 0; n < batch; ++n) {
            const std::string &body = bodies[(at + n) % bodies.size()];
            clients[n]->ask(head_of(first + at + n, body), body);
        }
        for (size_t n = 0; n < batch; ++n) {
            const int status = clients[n]->answer(false).status;
            if (status >= 300) throw std::runtime_error("status " + std::to_string(status));
            bytes += options.mode == "put" ? bodies[(at + n) % bodies.size()].size() : clients[n]->size();
        }
        done += batch;
    }
}

// One reader that follows the markers; what is counted is blobs.
void list(SSL_CTX *context, std::atomic<unsigned long> &bytes, std::atomic<unsigned long> &done) {
    Client client(context);
    std::string marker;
    do {
        client.ask("GET /data?restype=container&comp=list&include=metadata&marker=" + marker + "&" + SAS + " HTTP/1.1\r\nHost: " + SOURCE + "\r\n\r\n", "");
        const std::string &page = client.answer(true).body;
        for (size_t at = 0; (at = page.find("<Blob>", at)) != std::string::npos; ++at) ++done;
        bytes += page.size();
        const size_t at = page.find("<NextMarker>");
        marker = at == std::string::npos ? "" : page.substr(at + 12, page.find('<', at + 12) - at - 12);
    } while (!marker.empty());
}

}  // namespace

int main(int count, char **words) try {
    for (int n = 1; n + 1 < count; n += 2) {
        const std::string name = words[n], value = words[n + 1];
        if (name == "--port") options.port = atoi(value.c_str());
        else if (name == "--mode") options.mode = value;
        else if (name == "--threads") options.threads = atoi(value.c_str());
        else if (name == "--connections") options.connections = atoi(value.c_str());
        else if (name == "--requests") options.requests = strtoul(value.c_str(), nullptr, 10);
        else if (name == "--names") options.names = strtoul(value.c_str(), nullptr, 10);
        else throw std::runtime_error("unknown option " + name);
    }
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, 64 << 10);
    std::atomic<unsigned long> bytes{0}, done{0};
    const auto began = std::chrono::steady_clock::now();
    if (options.mode == "list") {
        list(context, bytes, done);
    } else {
        std::vector<std::thread> threads;
        for (int n = 0; n < options.threads; ++n) threads.emplace_back([&, n] { work(context, n, bytes, done); });
        for (auto &thread : threads) thread.join();
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    const double cpu = static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    printf("{\"seconds\": %.4f, \"count\": %lu, \"bytes\": %lu, \"cpu\": %.3f}\n", seconds, done.load(), bytes.load(), cpu);
} catch (const std::exception &wrong) {
    fprintf(stderr, "load: %s\n", wrong.what());
    return 1;
}
