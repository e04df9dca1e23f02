// One thread that serves connections: CONNECT, TLS, HTTP/1.1, latency on timers, faults.
#pragma once
#include <openssl/ssl.h>

#include <memory>
#include <queue>
#include <random>
#include <unordered_map>
#include <vector>

#include "request.hpp"

struct Tls {  // shared by all loops
    SSL_CTX *server = nullptr, *client = nullptr;
    BIO_METHOD *to_wire = nullptr;
    Tls(const std::string &certificate, const std::string &key);
};

struct Connection {
    enum State { PROXY, HANDSHAKE, HEAD, BODY, BUSY, SENDING };
    uint64_t serial = 0;
    int fd = -1;
    SSL *ssl = nullptr;
    State state = PROXY;
    bool dead = false, reading = true, writing = false, close_after = false, counted = false;
    std::string in, wire;  // plain text received, and records to be sent; both from `*_at` on
    size_t in_at = 0, wire_at = 0;
    Request request;
    uint64_t left = 0;  // of the request body
    Answer answer;
    Pull pull;
    Content body;  // of the answer
    uint64_t body_at = 0, body_end = 0;
    Side side = COMMERCIAL;
    // Of a connection that fetches for another one:
    uint64_t fetches_for = 0;
    bool fetcher = false;
};

class Loop {
  public:
    Loop(const Tls &tls, int port, unsigned seed);
    void adopt(int fd);           // from any thread
    void run(int listener, std::vector<std::unique_ptr<Loop>> &all);  // listener -1: none

  private:
    void event(Connection &c, uint32_t what);
    void advance(Connection &c);
    static uint64_t next_serial();
    static bool more_came(const Connection &c);
    bool read_proxy(Connection &c);
    bool shake_hands(Connection &c);
    long fill(Connection &c);
    bool read_head(Connection &c);
    bool read_body(Connection &c);
    void handle(Connection &c);
    void answered(Connection &c);
    void respond(Connection &c);
    bool pump(Connection &c);
    void plain(Connection &c, std::string_view text);
    void watch(Connection &c, bool reading, bool writing);
    void drop(Connection &c, bool reset);
    void fetch(Connection &c);
    void fetched(Connection &c);
    void start_tls(Connection &c, bool accepts);
    bool chance(double rate) { return rate > 0 && random_() < rate * 4294967296.0; }

    const Tls &tls_;
    int port_, epoll_;
    std::unique_ptr<char[]> scratch_;
    std::mt19937 random_;
    std::unordered_map<uint64_t, std::unique_ptr<Connection>> live_;
    std::vector<uint64_t> idle_fetchers_, graves_;
    SSL_SESSION *session_ = nullptr;
    using Due = std::pair<double, uint64_t>;
    std::priority_queue<Due, std::vector<Due>, std::greater<Due>> timers_;
    std::mutex guard_;
    std::vector<int> arrived_;
    int wake_;
};
