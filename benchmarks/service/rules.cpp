#include "rules.hpp"

#include "text.hpp"

namespace {

bool names_etag(std::string_view list, uint64_t etag) {
    const std::string own = etag_text(etag);
    while (!list.empty()) {
        const size_t end = std::min(list.find(','), list.size());
        std::string_view one = list.substr(0, end);
        list.remove_prefix(std::min(end + 1, list.size()));
        while (!one.empty() && (one.front() == ' ' || one.front() == '"')) one.remove_prefix(1);
        while (!one.empty() && (one.back() == ' ' || one.back() == '"')) one.remove_suffix(1);
        if (one == "*" || one == own) return true;
    }
    return false;
}

std::optional<time_t> date_in(const Request &request, const char *name) {
    const auto text = request.header(name);
    return text.empty() ? std::nullopt : from_http_date(std::string(text));
}

}  // namespace

void check_read(const Request &request, const Blob &blob) {
    if (!request.header("x-ms-if-tags").empty()) throw Refusal(501, "FeatureNotModelled");
    const auto match = request.header("if-match"), none = request.header("if-none-match");
    const auto since = date_in(request, "if-modified-since"), until = date_in(request, "if-unmodified-since");
    if (!match.empty() && !names_etag(match, blob.etag)) throw Refusal(412, "ConditionNotMet");
    if (until && blob.modified > *until) throw Refusal(412, "ConditionNotMet");
    const bool known = !none.empty() && names_etag(none, blob.etag);
    const bool old = since && blob.modified <= *since;
    if ((known && (!since || old)) || (old && (none.empty() || known))) throw Refusal(304, "ConditionNotMet");
}

void check_write(const Request &request, const Blob *blob, bool creates) {
    if (!request.header("x-ms-if-tags").empty()) throw Refusal(501, "FeatureNotModelled");
    const auto match = request.header("if-match"), none = request.header("if-none-match");
    if (!none.empty()) {
        if (blob && none == "*" && creates) throw Refusal(409, "BlobAlreadyExists", "The specified blob already exists.");
        if (blob && names_etag(none, blob->etag)) throw Refusal(412, "ConditionNotMet");
    } else if (!match.empty()) {
        if (!blob || !names_etag(match, blob->etag)) throw Refusal(412, "ConditionNotMet");
    } else if (blob) {
        const auto since = date_in(request, "if-modified-since"), until = date_in(request, "if-unmodified-since");
        if ((since && blob->modified <= *since) || (until && blob->modified > *until))
            throw Refusal(412, "ConditionNotMet");
    }
}

void check_grant(std::string_view query, std::string_view authorization, char permission, bool pulled,
                 const std::string &access, bool listing) {
    if (!authorization.empty()) return;
    if (raw_parameter(query, "sig").empty()) {
        const bool open = access == "container" || (access == "blob" && !listing);
        if (!open || (permission != 'r' && permission != 'l'))
            throw Refusal(409, "PublicAccessNotPermitted", "Public access is not permitted on this storage account.");
        return;
    }
    const std::string expiry = percent_decoded(raw_parameter(query, "se"), true);
    if (!expiry.empty()) {
        const auto ends = from_iso_date(expiry);
        if (!ends || *ends < now_seconds()) throw Refusal(403, "AuthenticationFailed", "The signature has expired.");
    }
    if (pulled && !raw_parameter(query, "sip").empty())
        throw Refusal(403, "AuthorizationSourceIPMismatch", "This request is not authorized using this source IP.");
    const auto permissions = raw_parameter(query, "sp");
    if (!permissions.empty() && permissions.find(permission) == std::string_view::npos &&
        !(permission == 'w' && permissions.find('c') != std::string_view::npos))
        throw Refusal(403, "AuthorizationPermissionMismatch");
}

std::pair<uint64_t, uint64_t> byte_range(std::string_view text, uint64_t size) {
    const size_t equals = text.find('='), dash = text.find('-');
    if (equals != 5 || dash == std::string_view::npos) throw Refusal(400, "InvalidHeaderValue");
    const auto from = number(text.substr(6, dash - 6));
    const auto last = number(text.substr(dash + 1));
    if (!from) throw Refusal(400, "InvalidHeaderValue");
    if (*from >= size || (last && *last < *from)) throw Refusal(416, "InvalidRange");
    return {*from, last ? std::min(*last + 1, size) : size};
}

void check_sums(const Request &request, const char *md5_header, const char *crc_header, const Content &content, uint64_t crc,
                Answer &answer) {
    const auto md5 = request.header(md5_header), sum = request.header(crc_header);
    if (!md5.empty() && !sum.empty()) throw Refusal(400, "BothCrc64AndMd5HeaderPresent");
    if (!md5.empty()) {
        const std::string computed = base64(content.md5());
        if (md5 != computed) throw Refusal(400, "Md5Mismatch");
        answer.add("Content-MD5", computed);
    }
    if (md5.empty() || request.header("x-ms-version") >= "2026-10-06") {
        const std::string computed = base64_of(crc);
        if (!sum.empty() && sum != computed) throw Refusal(400, "Crc64Mismatch");
        answer.add("x-ms-content-crc64", computed);
    }
}
