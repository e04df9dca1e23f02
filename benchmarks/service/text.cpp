#include "text.hpp"

#include <chrono>
#include <cstring>

namespace {

const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool unfit_for_xml(std::string_view text) {
    for (size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        if (c < 0x20 && c != '\t' && c != '\n' && c != '\r') return true;
        if (c == 0xEF && i + 2 < text.size() && static_cast<unsigned char>(text[i + 1]) == 0xBF &&
            static_cast<unsigned char>(text[i + 2]) >= 0xBE)
            return true;  // U+FFFE and U+FFFF
    }
    return false;
}

std::optional<time_t> moment(const std::string &text, const char *form) {
    tm parts{};
    const char *end = strptime(text.c_str(), form, &parts);
    if (!end) return std::nullopt;
    return timegm(&parts);
}

}  // namespace

bool same_text(std::string_view a, std::string_view b) {
    return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string percent_decoded(std::string_view text, bool plus_is_space) {
    std::string out;
    out.reserve(text.size());
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0) {
            out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
            i += 2;
        } else {
            out += plus_is_space && text[i] == '+' ? ' ' : text[i];
        }
    }
    return out;
}

std::string percent_encoded(std::string_view text) {
    static const char digits[] = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        if (isalnum(static_cast<unsigned char>(c)) || strchr("-_.~", c)) {
            out += c;
        } else {
            out += '%';
            out += digits[static_cast<unsigned char>(c) >> 4];
            out += digits[c & 15];
        }
    }
    return out;
}

std::string base64(std::string_view raw) {
    std::string out;
    out.reserve((raw.size() + 2) / 3 * 4);
    for (size_t i = 0; i < raw.size(); i += 3) {
        uint32_t word = 0;
        for (size_t k = 0; k < 3; ++k) word = word << 8 | (i + k < raw.size() ? static_cast<unsigned char>(raw[i + k]) : 0);
        for (size_t k = 0; k < 4; ++k) out += k <= raw.size() - i ? ALPHABET[word >> (18 - 6 * k) & 63] : '=';
    }
    return out;
}

std::optional<std::string> from_base64(std::string_view text) {
    std::string out;
    uint32_t word = 0;
    int bits = 0;
    if (text.size() % 4) return std::nullopt;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '=' && i + 2 >= text.size()) continue;
        const char *at = static_cast<const char *>(memchr(ALPHABET, text[i], 64));
        if (!at) return std::nullopt;
        word = word << 6 | static_cast<uint32_t>(at - ALPHABET);
        if ((bits += 6) >= 8) out += static_cast<char>(word >> (bits -= 8));
    }
    return out;
}

std::string base64_of(uint64_t crc) { return base64({reinterpret_cast<const char *>(&crc), 8}); }

std::string http_date(uint32_t moment) {
    thread_local uint32_t last = 0;
    thread_local char text[40];
    if (moment != last || !last) {
        const time_t at = moment;
        tm parts;
        gmtime_r(&at, &parts);
        strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
        last = moment;
    }
    return text;
}

std::optional<time_t> from_http_date(const std::string &text) { return moment(text, "%a, %d %b %Y %H:%M:%S GMT"); }
std::optional<time_t> from_iso_date(const std::string &text) {
    return moment(text, text.size() > 10 ? "%Y-%m-%dT%H:%M" : "%Y-%m-%d");
}
uint32_t now_seconds() { return static_cast<uint32_t>(time(nullptr)); }
double now_precise() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::optional<uint64_t> number(std::string_view text) {
    if (text.empty() || text.size() > 18) return std::nullopt;
    uint64_t value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return std::nullopt;
        value = value * 10 + static_cast<uint64_t>(c - '0');
    }
    return value;
}

void add_escaped(std::string &to, std::string_view text) {
    for (const char c : text) switch (c) {
            case '&': to += "&amp;"; break;
            case '<': to += "&lt;"; break;
            case '>': to += "&gt;"; break;
            case '"': to += "&quot;"; break;
            case '\r': to += "&#xD;"; break;
            default: to += c;
        }
}

void add_named(std::string &to, std::string_view tag, std::string_view text) {
    to += '<';
    to += tag;
    if (unfit_for_xml(text)) {
        to += " Encoded=\"true\">";
        to += percent_encoded(text);
    } else {
        to += '>';
        add_escaped(to, text);
    }
    to += "</";
    to += tag;
    to += '>';
}

void add_element(std::string &to, std::string_view tag, std::string_view text) {
    to += '<';
    to += tag;
    to += '>';
    add_escaped(to, text);
    to += "</";
    to += tag;
    to += '>';
}

std::string unescaped(std::string_view text) {
    static const std::pair<const char *, char> known[] = {
        {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    std::string out;
    for (size_t i = 0; i < text.size();) {
        bool found = false;
        for (const auto &[name, c] : known)
            if (text.substr(i, strlen(name)) == name) {
                out += c;
                i += strlen(name);
                found = true;
                break;
            }
        if (!found) out += text[i++];
    }
    return out;
}
