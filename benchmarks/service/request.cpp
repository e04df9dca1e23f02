#include "request.hpp"

#include <cstring>

#include "text.hpp"

bool Request::parse() {
    headers.clear();
    method = path = query = host = {};
    body_size = 0;
    expects_continue = false;
    const std::string_view all = head;
    size_t end = all.find("\r\n");
    const std::string_view first = all.substr(0, end);
    const size_t space = first.find(' '), last = first.rfind(' ');
    if (space == std::string_view::npos || last == space) return false;
    method = first.substr(0, space);
    std::string_view target = first.substr(space + 1, last - space - 1);
    const size_t mark = target.find('?');
    path = target.substr(0, mark);
    if (mark != std::string_view::npos) query = target.substr(mark + 1);
    for (size_t at = end + 2; at < all.size();) {
        end = all.find("\r\n", at);
        if (end == std::string_view::npos || end == at) break;
        const std::string_view line = all.substr(at, end - at);
        at = end + 2;
        const size_t colon = line.find(':');
        if (colon == std::string_view::npos) return false;
        std::string_view value = line.substr(colon + 1);
        while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
        while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
        headers.emplace_back(line.substr(0, colon), value);
    }
    host = header("host");
    if (const size_t port = host.find(':'); port != std::string_view::npos) host = host.substr(0, port);
    if (has("transfer-encoding")) return false;
    if (has("content-length")) {
        const auto length = number(header("content-length"));
        if (!length) return false;
        body_size = *length;
    }
    expects_continue = same_text(header("expect"), "100-continue");
    return true;
}

std::string_view Request::header(std::string_view name) const {
    for (const auto &[key, value] : headers)
        if (same_text(key, name)) return value;
    return {};
}

bool Request::has(std::string_view name) const {
    for (const auto &[key, value] : headers)
        if (same_text(key, name)) return true;
    return false;
}

std::string_view raw_parameter(std::string_view query, std::string_view name) {
    while (!query.empty()) {
        const size_t end = std::min(query.find('&'), query.size());
        const std::string_view part = query.substr(0, end);
        const size_t equals = std::min(part.find('='), part.size());
        if (same_text(part.substr(0, equals), name)) return part.substr(std::min(equals + 1, part.size()));
        query.remove_prefix(std::min(end + 1, query.size()));
    }
    return {};
}

std::string_view Request::ask_raw(std::string_view name) const { return raw_parameter(query, name); }
std::string Request::ask(std::string_view name) const { return percent_decoded(ask_raw(name), true); }

void Answer::add(std::string_view name, std::string_view value) {
    headers.append(name);
    headers += ": ";
    headers.append(value);
    headers += "\r\n";
}

void Answer::xml(std::string text) {
    add("Content-Type", "application/xml");
    body = Content::of(std::move(text));
}

void Answer::json(std::string text) {
    add("Content-Type", "application/json; charset=utf-8");
    body = Content::of(std::move(text));
}

Refusal::Refusal(int status, std::string code, std::string message)
    : status(status), code(std::move(code)), message(std::move(message)) {}

Answer refused(const Refusal &refusal, Kind kind) {
    Answer answer;
    answer.status = refusal.status;
    answer.kind = kind;
    answer.headers = refusal.headers;
    answer.add("x-ms-error-code", refusal.code);
    if (refusal.status == 304) return answer;
    std::string text = "\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"utf-8\"?><Error>";
    add_element(text, "Code", refusal.code);
    add_element(text, "Message", refusal.message.empty() ? refusal.code : refusal.message);
    answer.xml(text + "</Error>");
    return answer;
}

bool locate_host(std::string_view host, Side &side, std::string &account) {
    for (int n = 0; n < SIDES; ++n) {
        const std::string_view suffix = BLOB_SUFFIX[n];
        if (host.size() > suffix.size() && same_text(host.substr(host.size() - suffix.size()), suffix)) {
            side = static_cast<Side>(n);
            account = host.substr(0, host.size() - suffix.size());
            return true;
        }
        if (same_text(host, LOGIN_HOST[n])) {
            side = static_cast<Side>(n);
            account.clear();
            return true;
        }
    }
    return false;
}

Target target_of(std::string_view host, std::string_view path) {
    Target target;
    locate_host(host, target.side, target.account);
    if (!path.empty() && path[0] == '/') path.remove_prefix(1);
    const size_t slash = path.find('/');
    if (slash == std::string_view::npos) {
        target.container = percent_decoded(path, false);
    } else {
        target.container = percent_decoded(path.substr(0, slash), false);
        target.blob = percent_decoded(path.substr(slash + 1), false);
    }
    return target;
}
