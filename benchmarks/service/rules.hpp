// Conditions, authorization by presence, ranges: what requests must fulfil.
#pragma once
#include "request.hpp"

// Throws Refusal: 412 or 304.
void check_read(const Request &request, const Blob &blob);
// Throws Refusal: 412, or 409 BlobAlreadyExists for If-None-Match: * of an operation that creates. `blob` may be null.
void check_write(const Request &request, const Blob *blob, bool creates);
// What a SAS says of itself: expiry, permissions, client address. A token or shared key only has to be there.
void check_grant(std::string_view query, std::string_view authorization, char permission, bool pulled,
                 const std::string &access, bool listing);
// [from, to) of a range header; throws 416.
std::pair<uint64_t, uint64_t> byte_range(std::string_view text, uint64_t size);
// Compares the checksum headers of a body or of what arrived from a source; adds those of the answer.
void check_sums(const Request &request, const char *md5_header, const char *crc_header, const Content &content, uint64_t crc,
                Answer &answer);
