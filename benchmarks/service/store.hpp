// What both clouds hold. Locks: `Store::guard` over the accounts and their containers, `Container::guard` over its blobs.
#pragma once
#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "content.hpp"

using Pairs = std::vector<std::pair<std::string, std::string>>;

// What few blobs have; shared by the copies of a blob and never changed in place.
struct Beside {
    std::string type, encoding, language, disposition, cache;
    Pairs metadata, tags;
    std::vector<std::pair<std::string, uint64_t>> blocks;  // committed: id, size
    std::string copy_id, copy_source;
};

struct Blob {
    Content content;
    uint64_t etag = 0;
    uint32_t modified = 0, created = 0;
    bool has_md5 = false;
    std::array<char, 16> md5{};
    const char *tier = nullptr;  // null: that of the account
    std::shared_ptr<const Beside> beside;  // null: nothing

    const Beside &more() const;
    std::string quoted() const;  // the ETag as headers carry it
    void set_md5(const std::string &raw);
};

struct Staged {
    std::vector<std::pair<std::string, Content>> blocks;  // in the order of staging
};

struct Container {
    std::shared_mutex guard;
    std::map<std::string, Blob, std::less<>> blobs;
    std::unordered_map<std::string, Staged> staged;
    Pairs metadata;
    std::string access, policies;  // policies: the inner XML as it was set
    uint64_t etag = 0;
    uint32_t modified = 0;
};

struct Account {
    std::map<std::string, std::shared_ptr<Container>, std::less<>> containers;
    std::string properties;  // of the service, as they were set
};

enum Side { COMMERCIAL, GOVERNMENT, SIDES };
extern const char *const SIDE_NAMES[SIDES];
extern const char *const BLOB_SUFFIX[SIDES];  // ".blob.core.windows.net"
extern const char *const LOGIN_HOST[SIDES];

enum Kind {
    LIST_CONTAINERS, LIST_BLOBS, CONTAINER_READ, CONTAINER_WRITE, ACCOUNT_INFO, DELEGATION_KEY, GET_BLOB, PULLED, HEAD_BLOB,
    PUT_BLOB, PUT_BLOB_FROM_URL, PUT_BLOCK, PUT_BLOCK_FROM_URL, PUT_BLOCK_LIST, GET_BLOCK_LIST, COPY_BLOB, DELETE_BLOB,
    SETTINGS_READ, SETTINGS_WRITE, SIGN_IN, UNKNOWN, KINDS
};
extern const char *const KIND_NAMES[KINDS];

struct Counters {
    std::atomic<uint64_t> kinds[KINDS]{}, faulted{0}, refused{0}, bytes_in{0}, bytes_out{0};
    std::atomic<int64_t> in_flight{0}, peak{0};
    void enter();
    void leave() { in_flight.fetch_sub(1, std::memory_order_relaxed); }
};

// Set while the service runs, through the control endpoint.
struct Conduct {
    std::atomic<double> latency{0}, list_latency{0};  // seconds
    std::atomic<double> busy{0}, reset_before{0}, reset_after{0}, truncate{0};
    std::atomic<int> retry_after{-1};  // seconds; -1 sends no header
    std::atomic<bool> fetch{true};     // From URL asks the source over HTTPS; else it looks it up
};

struct Store {
    std::shared_mutex guard;
    std::map<std::string, Account, std::less<>> accounts[SIDES];
    Counters counters[SIDES];
    std::atomic<int64_t> connections{0}, peak_connections{0};
    Conduct conduct;

    // Null where it does not exist.
    std::shared_ptr<Container> container(Side side, std::string_view account, std::string_view name);
    bool has_account(Side side, std::string_view name);
};

extern Store store;

uint64_t new_etag();
std::string etag_text(uint64_t etag);  // 0x8D..., without quotes
