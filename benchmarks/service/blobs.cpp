// Block blobs: what List, Get and Put and their kin do. Append and page blobs, snapshots, leases and versions are not
// served and answer 501.
#include <algorithm>
#include <cstring>

#include "call.hpp"
#include "text.hpp"

namespace {

constexpr uint64_t MD5_UP_TO = 8 << 20;  // what arrives larger than this gets no Content-MD5, unless one is given

Blob found(Container &container, const std::string &name) {
    std::shared_lock lock(container.guard);
    const auto at = container.blobs.find(name);
    if (at == container.blobs.end()) throw Refusal(404, "BlobNotFound", "The specified blob does not exist.");
    return at->second;
}

const char *known_tier(std::string_view name) {
    for (const char *tier : {"Hot", "Cool", "Cold", "Archive"})
        if (name == tier) return tier;
    throw Refusal(400, "InvalidHeaderValue");
}

Pairs tags_in(std::string_view text) {
    Pairs tags;
    while (!text.empty()) {
        const size_t end = std::min(text.find('&'), text.size());
        const auto part = text.substr(0, end);
        const size_t equals = std::min(part.find('='), part.size());
        tags.emplace_back(percent_decoded(part.substr(0, equals), true),
                          percent_decoded(part.substr(std::min(equals + 1, part.size())), true));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return tags;
}

// The stored headers, metadata and tags that a request brings; null where it brings none.
std::shared_ptr<Beside> beside_in(const Request &request, bool plain_type) {
    std::shared_ptr<Beside> made;
    const auto set = [&made](std::string Beside::*field, std::string_view value) {
        if (value.empty()) return;
        if (!made) made = std::make_shared<Beside>();
        (*made).*field = value;
    };
    std::string_view type = plain_type ? request.header("content-type") : std::string_view();
    for (const auto &[name, value] : request.headers) {
        if (name.size() < 9 || (name[0] | 32) != 'x') continue;
        if (same_text(name, "x-ms-blob-content-type")) type = value;
        else if (same_text(name, "x-ms-blob-content-encoding")) set(&Beside::encoding, value);
        else if (same_text(name, "x-ms-blob-content-language")) set(&Beside::language, value);
        else if (same_text(name, "x-ms-blob-content-disposition")) set(&Beside::disposition, value);
        else if (same_text(name, "x-ms-blob-cache-control")) set(&Beside::cache, value);
        else if (same_text(name, "x-ms-tags") && !value.empty()) {
            if (!made) made = std::make_shared<Beside>();
            made->tags = tags_in(value);
        } else if (name.size() > 10 && same_text(name.substr(0, 10), "x-ms-meta-")) {
            if (!made) made = std::make_shared<Beside>();
            made->metadata.emplace_back(name.substr(10), value);
        }
    }
    if (type != "application/octet-stream") set(&Beside::type, type);
    return made;
}

void say_written(const Blob &blob, Answer &answer) {
    answer.add("ETag", blob.quoted());
    answer.add("Last-Modified", http_date(blob.modified));
    answer.add("x-ms-request-server-encrypted", "true");
}

// Puts `blob` in the place of what is there, under the request's conditions.
void land(Call &call, Blob &blob, int status) {
    Container &container = call.existing();
    if (const auto tier = call.header("x-ms-access-tier"); !tier.empty()) blob.tier = known_tier(tier);
    blob.etag = new_etag();
    blob.created = blob.modified = now_seconds();
    {
        std::unique_lock lock(container.guard);
        const auto at = container.blobs.lower_bound(call.at.blob);
        const bool there = at != container.blobs.end() && at->first == call.at.blob;
        check_write(call.request, there ? &at->second : nullptr, true);
        if (there) {
            if (at->second.tier && !strcmp(at->second.tier, "Archive")) throw Refusal(409, "BlobArchived");
            blob.created = at->second.created;
            at->second = blob;
        } else {
            container.blobs.emplace_hint(at, call.at.blob, blob);
        }
        if (!container.staged.empty()) container.staged.erase(call.at.blob);
    }
    call.answer.status = status;
    say_written(blob, call.answer);
}

void require_free(Call &call) {  // Refuses before a source is read, as the service does.
    Container &container = call.existing();
    std::shared_lock lock(container.guard);
    const auto at = container.blobs.find(call.at.blob);
    check_write(call.request, at == container.blobs.end() ? nullptr : &at->second, true);
}

void put_blob(Call &call) {
    call.grant('w');
    if (call.header("x-ms-blob-type") != "BlockBlob") not_modelled("append or page blobs");
    call.existing();
    Sink &sink = const_cast<Sink &>(call.request.body);
    const uint64_t crc = sink.crc();
    Blob blob;
    blob.content = sink.done();
    check_sums(call.request, "content-md5", "x-ms-content-crc64", blob.content, crc, call.answer);
    const auto label = call.header("x-ms-blob-content-md5");
    if (blob.content.size <= MD5_UP_TO || !label.empty()) blob.set_md5(blob.content.md5());
    if (!label.empty() && label != base64({blob.md5.data(), 16})) throw Refusal(400, "Md5Mismatch");
    blob.beside = beside_in(call.request, true);
    land(call, blob, 201);
    if (blob.has_md5 && call.header("content-md5").empty())
        call.answer.add("Content-MD5", base64({blob.md5.data(), 16}));
}

// The first time round it says which source to read; the second time the source has answered.
bool source_arrived(Call &call) {
    if (call.pull.arrived) {
        if (call.pull.status == 412 || call.pull.status == 304)
            throw Refusal(412, "SourceConditionNotMet", "The source condition specified is not met.");
        if (call.pull.status >= 300) {
            Refusal refusal(call.pull.status, "CannotVerifyCopySource", call.pull.message);
            refusal.headers = "x-ms-copy-source-status-code: " + std::to_string(call.pull.status) +
                              "\r\nx-ms-copy-source-error-code: " + call.pull.code + "\r\n";
            throw refusal;
        }
        return true;
    }
    std::string_view url = call.header("x-ms-copy-source");
    if (url.size() > 2048 || url.substr(0, 8) != "https://") throw Refusal(400, "InvalidHeaderValue");
    url.remove_prefix(8);
    const size_t slash = std::min(url.find('/'), url.size());
    Pull &pull = call.pull;
    pull.host = url.substr(0, slash);
    pull.target = url.substr(slash);
    std::string account;
    if (!locate_host(pull.host, pull.side, account) || account.empty() || !store.has_account(pull.side, account)) {
        Refusal refusal(404, "CannotVerifyCopySource", "The specified resource does not exist.");
        refusal.headers = "x-ms-copy-source-status-code: 404\r\nx-ms-copy-source-error-code: ResourceNotFound\r\n";
        throw refusal;
    }
    pull.range = call.header("x-ms-source-range");
    pull.authorization = call.header("x-ms-copy-source-authorization");
    pull.if_match = call.header("x-ms-source-if-match");
    pull.if_none_match = call.header("x-ms-source-if-none-match");
    pull.if_modified = call.header("x-ms-source-if-modified-since");
    pull.if_unmodified = call.header("x-ms-source-if-unmodified-since");
    return false;
}

bool put_blob_from_url(Call &call) {
    if (!call.pull.arrived) {
        call.grant('w');
        require_free(call);
        if (call.header("x-ms-blob-type") != "BlockBlob") not_modelled("append or page blobs");
        if (same_text(call.header("x-ms-copy-source-tag-option"), "COPY")) not_modelled("copied tags");
    }
    if (!source_arrived(call)) return false;
    const Blob &source = call.pull.blob;
    Blob blob;
    blob.content = source.content;
    check_sums(call.request, "x-ms-source-content-md5", "x-ms-source-content-crc64", blob.content, blob.content.crc(),
               call.answer);
    if (blob.content.size <= MD5_UP_TO) blob.set_md5(blob.content.md5());
    else if (const auto label = from_base64(call.header("x-ms-blob-content-md5")); label) blob.set_md5(*label);
    auto beside = beside_in(call.request, false);
    if (source.beside && !same_text(call.header("x-ms-copy-source-blob-properties"), "false")) {
        auto joined = std::make_shared<Beside>(*source.beside);
        joined->tags.clear(), joined->blocks.clear();
        if (beside) {
            if (!beside->type.empty()) joined->type = beside->type;
            if (!beside->metadata.empty()) joined->metadata = beside->metadata;
            joined->tags = beside->tags;
        }
        beside = joined;
    }
    blob.beside = beside;
    land(call, blob, 201);
    if (blob.has_md5 && call.header("x-ms-source-content-md5").empty())
        call.answer.add("Content-MD5", base64({blob.md5.data(), 16}));
    return true;
}

bool copy_blob(Call &call) {
    if (!call.pull.arrived) call.grant('w'), require_free(call);
    if (!source_arrived(call)) {
        // Within one account what authorizes the request is enough for its source.
        if (same_text(call.pull.host, call.request.host)) call.pull.authorization = call.header("authorization");
        return false;
    }
    Blob blob = call.pull.blob;
    auto beside = std::make_shared<Beside>(blob.more());
    const Pairs own = metadata_in(call.request);
    if (!own.empty()) beside->metadata = own;
    beside->tags = tags_in(call.header("x-ms-tags"));
    beside->copy_id = "00000000-0000-4000-8000-" + etag_text(new_etag()).substr(2, 12);
    beside->copy_source = std::string(call.header("x-ms-copy-source").substr(0, call.header("x-ms-copy-source").find('?')));
    blob.beside = beside;
    blob.tier = nullptr;
    land(call, blob, 202);
    call.answer.add("x-ms-copy-id", beside->copy_id);
    call.answer.add("x-ms-copy-status", "success");
    return true;
}

void stage(Call &call, Content content) {
    const auto id = from_base64(call.request.ask("blockid"));
    if (!id || id->empty() || id->size() > 64) throw Refusal(400, "InvalidBlockId");
    Container &container = call.existing();
    std::unique_lock lock(container.guard);
    Staged &staged = container.staged[call.at.blob];
    if (!staged.blocks.empty() && staged.blocks[0].first.size() != id->size())
        throw Refusal(400, "InvalidBlobOrBlock", "The specified blob or block content is invalid.");
    const auto same = std::find_if(staged.blocks.begin(), staged.blocks.end(), [&](auto &one) { return one.first == *id; });
    if (same != staged.blocks.end()) same->second = std::move(content);
    else staged.blocks.emplace_back(*id, std::move(content));
    call.answer.status = 201;
    call.answer.add("x-ms-request-server-encrypted", "true");
}

void put_block(Call &call) {
    call.grant('w');
    call.existing();
    Sink &sink = const_cast<Sink &>(call.request.body);
    const uint64_t crc = sink.crc();
    Content content = sink.done();
    check_sums(call.request, "content-md5", "x-ms-content-crc64", content, crc, call.answer);
    stage(call, std::move(content));
}

bool put_block_from_url(Call &call) {
    if (!call.pull.arrived) call.grant('w'), call.existing();
    if (!source_arrived(call)) return false;
    const Content &content = call.pull.blob.content;
    check_sums(call.request, "x-ms-source-content-md5", "x-ms-source-content-crc64", content, content.crc(), call.answer);
    stage(call, content);
    return true;
}

void put_block_list(Call &call) {
    call.grant('w');
    Sink &sink = const_cast<Sink &>(call.request.body);
    const uint64_t crc = sink.crc();
    const Content sent = sink.done();
    check_sums(call.request, "content-md5", "x-ms-content-crc64", sent, crc, call.answer);
    const std::string xml = sent.text();
    Container &container = call.existing();
    auto beside = beside_in(call.request, false);
    if (!beside) beside = std::make_shared<Beside>();
    std::vector<Content> parts;
    {
        std::shared_lock lock(container.guard);
        const auto staged = container.staged.find(call.at.blob);
        const auto old = container.blobs.find(call.at.blob);
        for (size_t at = xml.find("<BlockList"); (at = xml.find('<', at + 1)) != std::string::npos;) {
            const size_t close = xml.find('>', at);
            const std::string kind = xml.substr(at + 1, close - at - 1);
            if (kind != "Latest" && kind != "Uncommitted" && kind != "Committed") break;
            const size_t end = xml.find("</", close);
            const auto id = from_base64(unescaped(std::string_view(xml).substr(close + 1, end - close - 1)));
            if (end == std::string::npos || !id) throw Refusal(400, "InvalidXmlDocument");
            at = end;
            const Content *block = nullptr;
            Content of_old;
            if (kind != "Committed" && staged != container.staged.end())
                for (const auto &one : staged->second.blocks)
                    if (one.first == *id) block = &one.second;
            if (!block && kind != "Uncommitted" && old != container.blobs.end()) {
                uint64_t from = 0;
                for (const auto &[name, size] : old->second.more().blocks) {
                    if (name == *id) of_old = old->second.content.slice(from, size), block = &of_old;
                    from += size;
                }
            }
            if (!block) throw Refusal(400, "InvalidBlockList", "The specified block list is invalid.");
            parts.push_back(*block);
            beside->blocks.emplace_back(*id, block->size);
        }
    }
    Blob blob;
    blob.content = Content::joined(parts);
    blob.beside = beside;
    if (const auto md5 = from_base64(call.header("x-ms-blob-content-md5")); md5) blob.set_md5(*md5);
    land(call, blob, 201);
}

void get_block_list(Call &call) {
    call.grant('r');
    Container &container = call.existing();
    const std::string kind = call.request.ask("blocklisttype");
    std::string text = "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>";
    const auto add = [&text](const std::string &id, uint64_t size) {
        text += "<Block><Name>" + base64(id) + "</Name><Size>" + std::to_string(size) + "</Size></Block>";
    };
    std::shared_lock lock(container.guard);
    const auto old = container.blobs.find(call.at.blob);
    const auto staged = container.staged.find(call.at.blob);
    if (old == container.blobs.end() && staged == container.staged.end()) throw Refusal(404, "BlobNotFound");
    text += "<CommittedBlocks>";
    if (kind != "uncommitted" && old != container.blobs.end())
        for (const auto &[id, size] : old->second.more().blocks) add(id, size);
    text += "</CommittedBlocks><UncommittedBlocks>";
    if ((kind == "uncommitted" || kind == "all") && staged != container.staged.end())
        for (const auto &[id, content] : staged->second.blocks) add(id, content.size);
    text += "</UncommittedBlocks></BlockList>";
    if (old != container.blobs.end()) {
        call.answer.add("ETag", old->second.quoted());
        call.answer.add("Last-Modified", http_date(old->second.modified));
        call.answer.add("x-ms-blob-content-length", std::to_string(old->second.content.size));
    }
    call.answer.xml(text);
}

void get_blob(Call &call, bool head) {
    call.grant('r');
    Blob blob = found(call.existing(), call.at.blob);
    check_read(call.request, blob);
    if (!head && blob.tier && !strcmp(blob.tier, "Archive"))
        throw Refusal(409, "BlobArchived", "This operation is not permitted on an archived blob.");
    std::string_view range = call.header("x-ms-range");
    if (range.empty()) range = call.header("range");
    if (head || range.empty()) {
        show_blob(blob, call.answer, false);
        call.answer.body = blob.content;
        return;
    }
    const auto [from, to] = byte_range(range, blob.content.size);
    call.answer.status = 206;
    call.answer.body = blob.content.slice(from, to - from);
    show_blob(blob, call.answer, true);
    call.answer.add("Content-Range", "bytes " + std::to_string(from) + "-" + std::to_string(to - 1) + "/" +
                                         std::to_string(blob.content.size));
    const bool crc = same_text(call.header("x-ms-range-get-content-crc64"), "true");
    const bool md5 = same_text(call.header("x-ms-range-get-content-md5"), "true");
    if ((crc || md5) && to - from > 4 << 20) throw Refusal(400, "OutOfRangeInput");
    if (crc) call.answer.add("x-ms-content-crc64", base64_of(call.answer.body.crc()));
    if (md5) call.answer.add("Content-MD5", base64(call.answer.body.md5()));
}

template <typename Change>
void change(Call &call, bool moves, Change apply) {
    Container &container = call.existing();
    std::unique_lock lock(container.guard);
    const auto at = container.blobs.find(call.at.blob);
    if (at == container.blobs.end()) throw Refusal(404, "BlobNotFound", "The specified blob does not exist.");
    check_write(call.request, &at->second, false);
    auto beside = std::make_shared<Beside>(at->second.more());
    apply(at->second, *beside);
    at->second.beside = beside;
    if (moves) {
        at->second.etag = new_etag();
        at->second.modified = now_seconds();
        say_written(at->second, call.answer);
    }
}

void set_settings(Call &call, const std::string &what) {
    call.grant('w');
    if (what == "metadata") {
        change(call, true, [&](Blob &, Beside &beside) { beside.metadata = metadata_in(call.request); });
    } else if (what == "properties") {
        const auto sent = beside_in(call.request, false);
        change(call, true, [&](Blob &blob, Beside &beside) {
            const Beside fresh = sent ? *sent : Beside();
            beside.type = fresh.type, beside.encoding = fresh.encoding, beside.language = fresh.language;
            beside.disposition = fresh.disposition, beside.cache = fresh.cache;
            const auto md5 = from_base64(call.header("x-ms-blob-content-md5"));
            blob.set_md5(md5 ? *md5 : "");
        });
    } else if (what == "tier") {
        const char *tier = known_tier(call.header("x-ms-access-tier"));
        change(call, false, [&](Blob &blob, Beside &) { blob.tier = tier; });
    } else {
        const std::string xml = const_cast<Sink &>(call.request.body).done().text();
        Pairs tags;
        const auto inner = [&xml](const char *tag, size_t from, size_t &end) {
            const size_t open = xml.find('<' + std::string(tag) + '>', from);
            if (open == std::string::npos) return end = open, std::string();
            const size_t begin = open + strlen(tag) + 2;
            end = xml.find("</", begin);
            return unescaped(std::string_view(xml).substr(begin, end - begin));
        };
        for (size_t at = 0;;) {
            const std::string key = inner("Key", at, at);
            if (at == std::string::npos) break;
            tags.emplace_back(key, inner("Value", at, at));
        }
        change(call, false, [&](Blob &, Beside &beside) { beside.tags = tags; });
        call.answer.status = 204;
    }
}

void get_settings(Call &call, const std::string &what) {
    call.grant('r');
    const Blob blob = found(call.existing(), call.at.blob);
    if (what == "metadata") return show_blob(blob, call.answer, false);
    std::string text = "<?xml version=\"1.0\" encoding=\"utf-8\"?><Tags><TagSet>";
    for (const auto &[key, value] : blob.more().tags) {
        text += "<Tag>";
        add_element(text, "Key", key);
        add_element(text, "Value", value);
        text += "</Tag>";
    }
    call.answer.xml(text + "</TagSet></Tags>");
}

void delete_blob(Call &call) {
    call.grant('d');
    Container &container = call.existing();
    std::unique_lock lock(container.guard);
    const auto at = container.blobs.find(call.at.blob);
    if (at == container.blobs.end()) throw Refusal(404, "BlobNotFound", "The specified blob does not exist.");
    check_write(call.request, &at->second, false);
    container.blobs.erase(at);
    call.answer.status = 202;
}

bool on_blob(Call &call) {
    const auto method = call.request.method;
    const std::string comp = call.request.ask("comp");
    const bool pulls = call.request.has("x-ms-copy-source");
    Kind &kind = call.answer.kind;
    if (!call.request.ask_raw("snapshot").empty() || comp == "snapshot") not_modelled("snapshots");
    if (method == "GET" && comp.empty()) return kind = GET_BLOB, get_blob(call, false), true;
    if (method == "HEAD" && comp.empty()) return kind = HEAD_BLOB, get_blob(call, true), true;
    if (method == "PUT" && comp.empty()) {
        if (!pulls) return kind = PUT_BLOB, put_blob(call), true;
        if (call.request.has("x-ms-blob-type")) return kind = PUT_BLOB_FROM_URL, put_blob_from_url(call);
        return kind = COPY_BLOB, copy_blob(call);
    }
    if (method == "PUT" && comp == "block") {
        if (pulls) return kind = PUT_BLOCK_FROM_URL, put_block_from_url(call);
        return kind = PUT_BLOCK, put_block(call), true;
    }
    if (comp == "blocklist" && method == "PUT") return kind = PUT_BLOCK_LIST, put_block_list(call), true;
    if (comp == "blocklist" && method == "GET") return kind = GET_BLOCK_LIST, get_block_list(call), true;
    if (method == "DELETE" && comp.empty()) return kind = DELETE_BLOB, delete_blob(call), true;
    if (method == "PUT" && comp == "copy") throw Refusal(409, "NoPendingCopyOperation");
    const bool settings = comp == "metadata" || comp == "properties" || comp == "tags" || comp == "tier";
    if (method == "PUT" && settings) return kind = SETTINGS_WRITE, set_settings(call, comp), true;
    if ((method == "GET" || method == "HEAD") && (comp == "tags" || comp == "metadata"))
        return kind = SETTINGS_READ, get_settings(call, comp), true;
    not_modelled(std::string(method) + " with comp=" + comp);
}

}  // namespace

void show_blob(const Blob &blob, Answer &answer, bool ranged) {
    const Beside &more = blob.more();
    answer.add("Content-Type", more.type.empty() ? "application/octet-stream" : more.type);
    const std::pair<const char *, const std::string *> plain[] = {
        {"Content-Encoding", &more.encoding}, {"Content-Language", &more.language},
        {"Content-Disposition", &more.disposition}, {"Cache-Control", &more.cache}};
    for (const auto &[name, value] : plain)
        if (!value->empty()) answer.add(name, *value);
    if (blob.has_md5) answer.add(ranged ? "x-ms-blob-content-md5" : "Content-MD5", base64({blob.md5.data(), 16}));
    answer.add("Last-Modified", http_date(blob.modified));
    answer.add("ETag", blob.quoted());
    answer.add("x-ms-creation-time", http_date(blob.created));
    answer.add("x-ms-access-tier", blob.tier ? blob.tier : "Hot");
    if (!blob.tier) answer.headers += "x-ms-access-tier-inferred: true\r\n";
    answer.headers += "Accept-Ranges: bytes\r\nx-ms-blob-type: BlockBlob\r\nx-ms-lease-status: unlocked\r\n"
                      "x-ms-lease-state: available\r\nx-ms-server-encrypted: true\r\n";
    for (const auto &[name, value] : more.metadata) answer.add("x-ms-meta-" + name, value);
    if (!more.tags.empty()) answer.add("x-ms-tag-count", std::to_string(more.tags.size()));
    if (!more.copy_id.empty()) {
        answer.add("x-ms-copy-id", more.copy_id);
        answer.add("x-ms-copy-source", more.copy_source);
        answer.add("x-ms-copy-status", "success");
        const std::string size = std::to_string(blob.content.size);
        answer.add("x-ms-copy-progress", size + "/" + size);
        answer.add("x-ms-copy-completion-time", http_date(blob.modified));
    }
}

bool serve_blob(const Request &request, Answer &answer, Pull &pull) {
    Call call{request, target_of(request.host, request.path), answer, pull, nullptr};
    if (!store.has_account(call.at.side, call.at.account)) throw Refusal(404, "ResourceNotFound");
    if (same_text(request.ask_raw("restype"), "account")) {
        answer.kind = ACCOUNT_INFO;
        answer.headers += "x-ms-sku-name: Standard_LRS\r\nx-ms-account-kind: StorageV2\r\nx-ms-is-hns-enabled: false\r\n";
        return true;
    }
    if (call.at.container.empty()) return on_account(call), true;
    std::string container = call.at.container;
    call.container = store.container(call.at.side, call.at.account, container);
    if (call.at.blob.empty()) return on_container(call), true;
    return on_blob(call);
}

void look_up(Pull &pull) {
    pull.arrived = true;
    pull.status = 200;
    store.counters[pull.side].kinds[PULLED].fetch_add(1, std::memory_order_relaxed);
    try {
        Request asked;
        asked.head = "GET " + pull.target + " HTTP/1.1\r\nHost: " + pull.host + "\r\n";
        const std::pair<const char *, const std::string *> conditions[] = {
            {"If-Match", &pull.if_match}, {"If-None-Match", &pull.if_none_match},
            {"If-Modified-Since", &pull.if_modified}, {"If-Unmodified-Since", &pull.if_unmodified}};
        for (const auto &[name, value] : conditions)
            if (!value->empty()) asked.head += std::string(name) + ": " + *value + "\r\n";
        asked.head += "\r\n";
        asked.parse();
        const Target at = target_of(asked.host, asked.path);
        if (!asked.ask_raw("snapshot").empty()) not_modelled("snapshots");
        const auto container = store.container(at.side, at.account, at.container);
        if (!container) throw Refusal(404, "ContainerNotFound");
        check_grant(asked.query, pull.authorization, 'r', true, container->access, false);
        pull.blob = found(*container, at.blob);
        check_read(asked, pull.blob);
        if (pull.blob.tier && !strcmp(pull.blob.tier, "Archive")) throw Refusal(409, "BlobArchived");
        if (!pull.range.empty()) {
            const auto [from, to] = byte_range(pull.range, pull.blob.content.size);
            pull.blob.content = pull.blob.content.slice(from, to - from);
        }
    } catch (const Refusal &refusal) {
        pull.status = refusal.status;
        pull.code = refusal.code;
        pull.message = refusal.message;
    }
}
