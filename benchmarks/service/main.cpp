// A fast blob service for benchmarks: both clouds in one process, reached as the real ones are, by CONNECT.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <thread>

#include "content.hpp"
#include "control.hpp"
#include "loop.hpp"

namespace {

int listening(int &port, bool blocking) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (blocking ? 0 : SOCK_NONBLOCK), 0);
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(static_cast<uint16_t>(port));
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    if (bind(fd, reinterpret_cast<sockaddr *>(&at), sizeof at) || listen(fd, 4096)) throw std::runtime_error("the port is taken");
    getsockname(fd, reinterpret_cast<sockaddr *>(&at), &size);
    port = ntohs(at.sin_port);
    return fd;
}

}  // namespace

int main(int count, char **words) try {
    int port = 0, control = 0, threads = 2;
    uint64_t sequence = 512;
    std::string certificate, key;
    for (int n = 1; n + 1 < count; n += 2) {
        const std::string name = words[n], value = words[n + 1];
        if (name == "--port") port = atoi(value.c_str());
        else if (name == "--control") control = atoi(value.c_str());
        else if (name == "--threads") threads = atoi(value.c_str());
        else if (name == "--sequence-mib") sequence = strtoull(value.c_str(), nullptr, 10);
        else if (name == "--cert") certificate = value;
        else if (name == "--key") key = value;
        else throw std::runtime_error("unknown option " + name);
    }
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    Sequence::make(sequence);
    const Tls tls(certificate, key);
    const int listener = listening(port, false), controls = listening(control, true);
    std::vector<std::unique_ptr<Loop>> loops;
    for (int n = 0; n < threads; ++n) loops.push_back(std::make_unique<Loop>(tls, port, 4711u + static_cast<unsigned>(n)));
    for (int n = 1; n < threads; ++n) std::thread([&loops, n] { loops[static_cast<size_t>(n)]->run(-1, loops); }).detach();
    std::thread([controls] { serve_control(controls); }).detach();
    printf("{\"proxy\": %d, \"control\": %d}\n", port, control);
    fflush(stdout);
    loops[0]->run(listener, loops);
} catch (const std::exception &wrong) {
    fprintf(stderr, "blobd: %s\n", wrong.what());
    return 1;
}
