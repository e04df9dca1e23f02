// The control endpoint: plain HTTP on a port of its own, one request at a time, parameters in the query.
#include "control.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "request.hpp"
#include "text.hpp"

namespace {

struct Asked {
    std::string query;
    std::string text(const char *name, const char *otherwise = "") const {
        const auto raw = raw_parameter(query, name);
        return raw.empty() ? otherwise : percent_decoded(raw, true);
    }
    uint64_t count(const char *name, uint64_t otherwise) const {
        const auto value = number(text(name));
        return value ? *value : otherwise;
    }
    Side side(const char *name) const { return text(name) == "government" ? GOVERNMENT : COMMERCIAL; }
};

std::shared_ptr<Container> made_container(Side side, const std::string &account, const std::string &name) {
    std::unique_lock lock(store.guard);
    auto &place = store.accounts[side][account].containers[name];
    if (!place) {
        place = std::make_shared<Container>();
        place->etag = new_etag();
        place->modified = now_seconds();
    }
    return place;
}

// n blobs of one size. "tree": d0000/ and so on, 1,000 names each; "flat": no folders.
std::string load(const Asked &asked) {
    const uint64_t n = asked.count("n", 1000), size = asked.count("size", 16384), from = asked.count("from", 0);
    const bool flat = asked.text("layout", "tree") == "flat", md5 = asked.count("md5", size <= 8 << 20);
    if (size > Sequence::size) return "{\"error\": \"a blob cannot be larger than the sequence\"}";
    const auto container = made_container(asked.side("side"), asked.text("account"), asked.text("container"));
    // Windows overlap where there are many, but no two blobs of one size start at the same place.
    const uint64_t stride = std::max<uint64_t>(8, std::min<uint64_t>((size + 7) / 8 * 8, Sequence::size / (n + from + 1) / 8 * 8));
    const uint64_t shift = asked.count("generation", 0) * 8;
    const uint32_t born = now_seconds() - 86400;
    std::vector<std::array<char, 16>> sums(md5 ? n : 0);
    const auto compute = [&](uint64_t begin, uint64_t end) {
        for (uint64_t i = begin; i < end; ++i) {
            const uint64_t start = ((from + i) * stride + shift) % Sequence::size;
            const std::string sum = md5_of({Sequence::bytes + start, size});
            memcpy(sums[i].data(), sum.data(), 16);
        }
    };
    if (md5) {
        std::thread other(compute, n / 2, n);
        compute(0, n / 2);
        other.join();
    }
    std::unique_lock lock(container->guard);
    for (uint64_t i = 0; i < n; ++i) {
        char name[64];
        const auto id = static_cast<unsigned long long>(from + i);
        snprintf(name, sizeof name, flat ? "f%08llu.bin" : "d%04llu/f%08llu.bin", flat ? id : id / 1000, id);
        Blob blob;
        blob.content = Content::window((from + i) * stride + shift, size);
        blob.etag = new_etag();
        blob.created = blob.modified = born;
        if (md5) {
            blob.has_md5 = true;
            blob.md5 = sums[i];
            remember_md5(blob.content.start, size, sums[i].data());
        }
        container->blobs.insert_or_assign(container->blobs.end(), name, blob);
    }
    return "{\"blobs\": " + std::to_string(container->blobs.size()) + "}";
}

std::string compare(const Asked &asked) {
    const auto one = store.container(COMMERCIAL, asked.text("account"), asked.text("container"));
    const auto two = store.container(GOVERNMENT, asked.text("to_account"), asked.text("to_container"));
    if (!one || !two) return "{\"error\": \"no such container\"}";
    std::shared_lock first(one->guard), second(two->guard);
    uint64_t equal = 0, different = 0, missing = 0, extra = 0, bytes = 0;
    std::string example;
    for (const auto &[name, blob] : one->blobs) {
        const auto there = two->blobs.find(name);
        if (there != two->blobs.end() && blob.content.equals(there->second.content)) {
            ++equal, bytes += blob.content.size;
            continue;
        }
        if (example.empty()) example = percent_encoded(name);
        ++(there == two->blobs.end() ? missing : different);
    }
    for (const auto &[name, blob] : two->blobs) extra += !one->blobs.count(name);
    return "{\"equal\": " + std::to_string(equal) + ", \"different\": " + std::to_string(different) +
           ", \"missing\": " + std::to_string(missing) + ", \"extra\": " + std::to_string(extra) +
           ", \"bytes\": " + std::to_string(bytes) + ", \"first\": \"" + example + "\"}";
}

// Empties a container, or takes it away with `whole`.
std::string drop(const Asked &asked) {
    std::shared_ptr<Container> gone;
    std::unique_lock lock(store.guard);
    auto &accounts = store.accounts[asked.side("side")];
    if (const auto at = accounts.find(asked.text("account")); at != accounts.end()) {
        auto &all = at->second.containers;
        if (const auto place = all.find(asked.text("container")); place != all.end()) {
            gone = place->second;
            all.erase(place);
        }
    }
    lock.unlock();
    if (gone && !asked.count("whole", 0)) made_container(asked.side("side"), asked.text("account"), asked.text("container"));
    return "{\"dropped\": " + std::string(gone ? "true}" : "false}");
}

std::string counters() {
    std::string text = "{";
    for (int side = 0; side < SIDES; ++side) {
        const Counters &one = store.counters[side];
        uint64_t all = 0;
        text += std::string(side ? ", " : "") + '"' + SIDE_NAMES[side] + "\": {\"kinds\": {";
        bool first = true;
        for (int kind = 0; kind < KINDS; ++kind) {
            const uint64_t n = one.kinds[kind];
            if (!n) continue;
            if (kind != SIGN_IN && kind != PULLED) all += n;
            text += std::string(first ? "\"" : ", \"") + KIND_NAMES[kind] + "\": " + std::to_string(n);
            first = false;
        }
        text += "}, \"requests\": " + std::to_string(all) + ", \"refused\": " + std::to_string(one.refused) +
                ", \"faulted\": " + std::to_string(one.faulted) + ", \"bytes_in\": " + std::to_string(one.bytes_in) +
                ", \"bytes_out\": " + std::to_string(one.bytes_out) + ", \"peak_in_flight\": " + std::to_string(one.peak) + "}";
    }
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval &t) { return std::to_string(t.tv_sec + t.tv_usec / 1e6); };
    return text + ", \"connections\": " + std::to_string(store.connections) + ", \"peak_connections\": " +
           std::to_string(store.peak_connections) + ", \"cpu_user\": " + seconds(used.ru_utime) + ", \"cpu_system\": " +
           seconds(used.ru_stime) + ", \"peak_rss_mib\": " + std::to_string(used.ru_maxrss >> 10) + "}";
}

std::string reset_counters() {
    for (auto &one : store.counters) {
        for (auto &kind : one.kinds) kind = 0;
        one.faulted = one.refused = one.bytes_in = one.bytes_out = 0;
        one.peak = one.in_flight.load();
    }
    store.peak_connections = store.connections.load();
    return "{}";
}

std::string settings(const Asked &asked) {
    Conduct &conduct = store.conduct;
    const auto real = [&asked](const char *name, std::atomic<double> &value, double unit) {
        const std::string given = asked.text(name);
        if (!given.empty()) value = atof(given.c_str()) * unit;
    };
    if (!asked.text("latency_ms").empty() && asked.text("list_latency_ms").empty())
        real("latency_ms", conduct.list_latency, 0.001);
    real("latency_ms", conduct.latency, 0.001);
    real("list_latency_ms", conduct.list_latency, 0.001);
    real("busy", conduct.busy, 1);
    real("reset_before", conduct.reset_before, 1);
    real("reset_after", conduct.reset_after, 1);
    real("truncate", conduct.truncate, 1);
    if (const std::string given = asked.text("retry_after"); !given.empty()) conduct.retry_after = atoi(given.c_str());
    if (const std::string given = asked.text("pull"); !given.empty()) conduct.fetch = given == "fetch";
    return "{}";
}

std::string told(const std::string &path, const Asked &asked) {
    if (path == "/load") return load(asked);
    if (path == "/compare") return compare(asked);
    if (path == "/drop") return drop(asked);
    if (path == "/counters") return counters();
    if (path == "/counters/reset") return reset_counters();
    if (path == "/settings") return settings(asked);
    if (path == "/account") {
        std::unique_lock lock(store.guard);
        store.accounts[asked.side("side")][asked.text("name")];
        return "{}";
    }
    return "{\"error\": \"unknown\"}";
}

}  // namespace

void serve_control(int listener) {
    for (;;) {
        const int fd = accept(listener, nullptr, nullptr);
        if (fd < 0) continue;
        std::string head;
        char text[4096];
        for (ssize_t got; head.find("\r\n\r\n") == std::string::npos && (got = recv(fd, text, sizeof text, 0)) > 0;)
            head.append(text, static_cast<size_t>(got));
        const size_t space = head.find(' '), end = head.find(' ', space + 1);
        if (end != std::string::npos) {
            const std::string target = head.substr(space + 1, end - space - 1);
            const size_t mark = std::min(target.find('?'), target.size());
            Asked asked{target.substr(std::min(mark + 1, target.size()))};
            const std::string body = told(target.substr(0, mark), asked);
            const std::string answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: " +
                                       std::to_string(body.size()) + "\r\n\r\n" + body;
            if (send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) head.clear();
        }
        close(fd);
    }
}
