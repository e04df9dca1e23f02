#include "store.hpp"

#include <cstring>
#include <ctime>

Store store;
const char *const SIDE_NAMES[SIDES] = {"commercial", "government"};
const char *const BLOB_SUFFIX[SIDES] = {".blob.core.windows.net", ".blob.core.usgovcloudapi.net"};
const char *const LOGIN_HOST[SIDES] = {"login.microsoftonline.com", "login.microsoftonline.us"};
const char *const KIND_NAMES[KINDS] = {
    "ListContainers", "ListBlobs", "ContainerRead", "ContainerWrite", "GetAccountInformation", "GetUserDelegationKey",
    "GetBlob", "GetBlobByPull", "GetBlobProperties", "PutBlob", "PutBlobFromURL", "PutBlock", "PutBlockFromURL",
    "PutBlockList", "GetBlockList", "CopyBlob", "DeleteBlob", "SettingsRead", "SettingsWrite", "SignIn", "Unknown"};

const Beside &Blob::more() const {
    static const Beside nothing;
    return beside ? *beside : nothing;
}

std::string Blob::quoted() const { return '"' + etag_text(etag) + '"'; }

void Blob::set_md5(const std::string &raw) {
    has_md5 = raw.size() == 16;
    if (has_md5) memcpy(md5.data(), raw.data(), 16);
}

void Counters::enter() {
    const int64_t now = in_flight.fetch_add(1, std::memory_order_relaxed) + 1;
    int64_t seen = peak.load(std::memory_order_relaxed);
    while (now > seen && !peak.compare_exchange_weak(seen, now, std::memory_order_relaxed)) {}
}

std::shared_ptr<Container> Store::container(Side side, std::string_view account, std::string_view name) {
    std::shared_lock lock(guard);
    const auto owner = accounts[side].find(account);
    if (owner == accounts[side].end()) return nullptr;
    const auto found = owner->second.containers.find(name);
    return found == owner->second.containers.end() ? nullptr : found->second;
}

bool Store::has_account(Side side, std::string_view name) {
    std::shared_lock lock(guard);
    return accounts[side].find(name) != accounts[side].end();
}

uint64_t new_etag() {
    static std::atomic<uint64_t> next{0x8DE000000000000ull + static_cast<uint64_t>(time(nullptr)) * 1000};
    return next.fetch_add(1, std::memory_order_relaxed);
}

std::string etag_text(uint64_t etag) {
    char text[24];
    return {text, static_cast<size_t>(snprintf(text, sizeof text, "0x%llX", static_cast<unsigned long long>(etag)))};
}
