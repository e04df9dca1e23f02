// List Blobs and List Containers.
#include <algorithm>

#include "request.hpp"
#include "rules.hpp"
#include "text.hpp"

namespace {

std::string marker_of(std::string_view name) {
    std::string text = base64(name);
    for (char &c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
    return "2!" + std::to_string(name.size()) + "!" + text;
}

std::string name_in(std::string marker) {
    if (marker.empty()) return "";
    const size_t at = marker.find('!', 2);
    if (marker.compare(0, 2, "2!") || at == std::string::npos) throw Refusal(400, "OutOfRangeInput");
    marker.erase(0, at + 1);
    for (char &c : marker) c = c == '-' ? '+' : c == '_' ? '/' : c;
    const auto name = from_base64(marker);
    if (!name) throw Refusal(400, "OutOfRangeInput");
    return *name;
}

size_t most_of(const Request &request) {
    const std::string text = request.ask("maxresults");
    if (text.empty()) return 5000;
    const auto most = number(text);
    if (!most || !*most) throw Refusal(400, "OutOfRangeQueryParameterValue");
    return std::min<size_t>(*most, 5000);
}

bool includes(const std::string &list, std::string_view what) {
    for (size_t at = 0; (at = list.find(what, at)) != std::string::npos; at += what.size())
        if ((at == 0 || list[at - 1] == ',') && (at + what.size() == list.size() || list[at + what.size()] == ',')) return true;
    return false;
}

void add_optional(std::string &to, std::string_view tag, std::string_view value) {
    if (value.empty()) {
        to += '<';
        to += tag;
        to += " />";
    } else {
        add_element(to, tag, value);
    }
}

void add_blob(std::string &to, const std::string &name, const Blob &blob, bool metadata, bool tags, bool copy) {
    const Beside &more = blob.more();
    to += "<Blob>";
    add_named(to, "Name", name);
    to += "<Properties><Creation-Time>";
    to += http_date(blob.created);
    to += "</Creation-Time><Last-Modified>";
    to += http_date(blob.modified);
    to += "</Last-Modified><Etag>";
    to += etag_text(blob.etag);
    to += "</Etag><Content-Length>";
    to += std::to_string(blob.content.size);
    to += "</Content-Length>";
    add_element(to, "Content-Type", more.type.empty() ? "application/octet-stream" : more.type);
    add_optional(to, "Content-Encoding", more.encoding);
    add_optional(to, "Content-Language", more.language);
    to += "<Content-CRC64 />";
    add_optional(to, "Content-MD5", blob.has_md5 ? base64({blob.md5.data(), 16}) : "");
    add_optional(to, "Cache-Control", more.cache);
    add_optional(to, "Content-Disposition", more.disposition);
    to += "<BlobType>BlockBlob</BlobType><AccessTier>";
    to += blob.tier ? blob.tier : "Hot";
    to += blob.tier ? "</AccessTier>" : "</AccessTier><AccessTierInferred>true</AccessTierInferred>";
    to += "<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>";
    if (copy && !more.copy_id.empty()) {
        add_element(to, "CopyId", more.copy_id);
        add_element(to, "CopySource", more.copy_source);
        to += "<CopyStatus>success</CopyStatus>";
    }
    to += "<ServerEncrypted>true</ServerEncrypted>";
    if (!more.tags.empty()) to += "<TagCount>" + std::to_string(more.tags.size()) + "</TagCount>";
    to += "</Properties>";
    if (metadata) {
        to += more.metadata.empty() ? "<Metadata />" : "<Metadata>";
        for (const auto &[key, value] : more.metadata) add_element(to, key, value);
        if (!more.metadata.empty()) to += "</Metadata>";
    }
    if (tags && !more.tags.empty()) {
        to += "<Tags><TagSet>";
        for (const auto &[key, value] : more.tags) {
            to += "<Tag>";
            add_element(to, "Key", key);
            add_element(to, "Value", value);
            to += "</Tag>";
        }
        to += "</TagSet></Tags>";
    }
    to += "<OrMetadata /></Blob>";
}

std::string opening(const Request &request, const Target &target, std::initializer_list<std::pair<const char *, const char *>> echo) {
    std::string text = "\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\"https://";
    text += request.host;
    text += "/\"";
    if (!target.container.empty()) text += " ContainerName=\"" + target.container + '"';
    text += '>';
    for (const auto &[tag, name] : echo)
        if (const std::string value = request.ask(name); !value.empty()) add_element(text, tag, value);
    return text;
}

}  // namespace

void list_blobs(const Request &request, const Target &target, Container &container, Answer &answer) {
    const std::string prefix = request.ask("prefix"), delimiter = request.ask("delimiter"), include = request.ask("include");
    if (!request.ask_raw("endbefore").empty() || request.header("accept").find("arrow") != std::string_view::npos)
        throw Refusal(501, "FeatureNotModelled", "This service does not list as Apache Arrow.");
    const size_t most = most_of(request);
    const std::string begin = std::max({prefix, name_in(request.ask("marker")), request.ask("startfrom")});
    const bool metadata = includes(include, "metadata"), tags = includes(include, "tags"), copy = includes(include, "copy");
    std::string text = opening(request, target, {{"Prefix", "prefix"}, {"Marker", "marker"}, {"StartFrom", "startfrom"},
                                                 {"MaxResults", "maxresults"}, {"Delimiter", "delimiter"}});
    text += "<Blobs>";
    std::string next;
    size_t count = 0;
    {
        std::shared_lock lock(container.guard);
        text.reserve(std::min(most, container.blobs.size()) * 760 + 1024);
        for (auto at = container.blobs.lower_bound(begin); at != container.blobs.end();) {
            if (at->first.compare(0, prefix.size(), prefix)) break;
            if (count++ == most) {
                next = at->first;
                break;
            }
            const size_t cut = delimiter.empty() ? std::string::npos : at->first.find(delimiter, prefix.size());
            if (cut == std::string::npos) {
                add_blob(text, at->first, at->second, metadata, tags, copy);
                ++at;
                continue;
            }
            std::string folder = at->first.substr(0, cut + delimiter.size());
            text += "<BlobPrefix>";
            add_named(text, "Name", folder);
            text += "</BlobPrefix>";
            ++reinterpret_cast<unsigned char &>(folder.back());  // UTF-8 has no 0xFF, so this is past the whole folder
            at = container.blobs.lower_bound(folder);
        }
    }
    text += "</Blobs>";
    add_optional(text, "NextMarker", next.empty() ? next : marker_of(next));
    answer.xml(std::move(text) + "</EnumerationResults>");
}

void list_containers(const Request &request, const Target &target, Answer &answer) {
    const std::string prefix = request.ask("prefix"), begin = std::max(prefix, name_in(request.ask("marker")));
    const bool metadata = includes(request.ask("include"), "metadata");
    const size_t most = most_of(request);
    std::string text = opening(request, target, {{"Prefix", "prefix"}, {"Marker", "marker"}, {"MaxResults", "maxresults"}});
    text += "<Containers>";
    std::string next;
    size_t count = 0;
    std::shared_lock lock(store.guard);
    const auto &containers = store.accounts[target.side][target.account].containers;
    for (auto at = containers.lower_bound(begin); at != containers.end() && !at->first.compare(0, prefix.size(), prefix); ++at) {
        if (count++ == most) {
            next = at->first;
            break;
        }
        std::shared_lock inner(at->second->guard);
        text += "<Container>";
        add_element(text, "Name", at->first);
        text += "<Properties><Last-Modified>" + http_date(at->second->modified) + "</Last-Modified><Etag>\"" +
                etag_text(at->second->etag) + "\"</Etag><LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>";
        if (!at->second->access.empty()) add_element(text, "PublicAccess", at->second->access);
        text += "<DefaultEncryptionScope>$account-encryption-key</DefaultEncryptionScope>"
                "<DenyEncryptionScopeOverride>false</DenyEncryptionScopeOverride>"
                "<HasImmutabilityPolicy>false</HasImmutabilityPolicy><HasLegalHold>false</HasLegalHold></Properties>";
        if (metadata && !at->second->metadata.empty()) {
            text += "<Metadata>";
            for (const auto &[key, value] : at->second->metadata) add_element(text, key, value);
            text += "</Metadata>";
        }
        text += "</Container>";
    }
    text += "</Containers>";
    add_optional(text, "NextMarker", next.empty() ? next : marker_of(next));
    answer.xml(std::move(text) + "</EnumerationResults>");
}
