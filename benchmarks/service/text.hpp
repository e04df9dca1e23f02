// Small text work: encodings, dates, XML.
#pragma once
#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

bool same_text(std::string_view a, std::string_view b);  // ASCII, case does not count
std::string percent_decoded(std::string_view text, bool plus_is_space);
std::string percent_encoded(std::string_view text);
std::string base64(std::string_view raw);
std::optional<std::string> from_base64(std::string_view text);
std::string base64_of(uint64_t crc);  // eight bytes, little-endian
std::string http_date(uint32_t moment);
std::optional<time_t> from_http_date(const std::string &text);
std::optional<time_t> from_iso_date(const std::string &text);
uint32_t now_seconds();
double now_precise();  // seconds, monotonic
std::optional<uint64_t> number(std::string_view text);

void add_escaped(std::string &to, std::string_view text);
// <tag>text</tag>, percent-encoded with Encoded="true" where XML cannot carry the text.
void add_named(std::string &to, std::string_view tag, std::string_view text);
void add_element(std::string &to, std::string_view tag, std::string_view text);
std::string unescaped(std::string_view text);
