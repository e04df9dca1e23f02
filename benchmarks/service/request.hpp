// One request and its answer, free of sockets.
#pragma once
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "content.hpp"
#include "store.hpp"

struct Request {
    std::string head;  // what the views below point into
    std::string_view method, path, query, host;
    std::vector<std::pair<std::string_view, std::string_view>> headers;
    uint64_t body_size = 0;
    bool expects_continue = false;
    Sink body;

    // Parses `head` up to and with the empty line. False where it is no request.
    bool parse();
    std::string_view header(std::string_view name) const;
    bool has(std::string_view name) const;
    std::string ask(std::string_view name) const;  // query parameter, decoded; "" where there is none
    std::string_view ask_raw(std::string_view name) const;
};

// Who asks when a target service reads its copy source.
inline constexpr std::string_view FETCHER = "copy-source-fetch";

// A query string, read on its own.
std::string_view raw_parameter(std::string_view query, std::string_view name);

struct Answer {
    int status = 200;
    Kind kind = UNKNOWN;
    std::string headers;  // complete lines
    Content body;
    void add(std::string_view name, std::string_view value);
    void xml(std::string text);
    void json(std::string text);
};

// What a request to read a source needs to know, and what came of it: From URL asks the other side.
struct Pull {
    Side side;
    std::string host, target;  // target: path and query
    std::string range, authorization;
    std::string if_match, if_none_match, if_modified, if_unmodified;
    // The answer:
    int status = 0;
    std::string code, message;
    Blob blob;  // its content is the range asked for
    bool arrived = false;
};

struct Refusal : std::exception {
    int status;
    std::string code, message, headers;
    Refusal(int status, std::string code, std::string message = "");
};

struct Target {  // host and path of a request, taken apart
    Side side = COMMERCIAL;
    std::string account, container, blob;
};

// Which account and side a host is of; false for any other.
bool locate_host(std::string_view host, Side &side, std::string &account);
Target target_of(std::string_view host, std::string_view path);

// The blob service. Where it needs a source, it fills `pull` and returns false; called again with the answer in it.
bool serve_blob(const Request &request, Answer &answer, Pull &pull);
// Looks up the source of a pull in this process.
void look_up(Pull &pull);
void list_blobs(const Request &request, const Target &target, Container &container, Answer &answer);
void list_containers(const Request &request, const Target &target, Answer &answer);
// The authority of a cloud.
void serve_authority(const Request &request, Side side, Answer &answer);
Answer refused(const Refusal &refusal, Kind kind);
// The property headers of a blob, as Get Blob and Get Blob Properties carry them.
void show_blob(const Blob &blob, Answer &answer, bool ranged);
