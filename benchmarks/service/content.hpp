// The bytes of blobs. What a benchmark loads is a window of one fixed random sequence and is kept as (start, length);
// what a client sends is compared with that sequence as it arrives and, where it is a window of it, kept the same way.
// So a million blobs cost no memory for their bytes, and two blobs are equal where their windows are.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

// The sequence: `size` bytes, mapped twice in a row, so that a window that wraps is contiguous all the same.
struct Sequence {
    static const char *bytes;
    static uint64_t size;
    static void make(uint64_t mebibytes);
    // Where the eight bytes at `at` stand in the sequence; ~0 where they do not.
    static uint64_t place_of(const void *at);
};

struct Content {
    struct Piece {
        uint64_t start = 0;  // in the sequence, or in `own`
        uint64_t size = 0;
        std::shared_ptr<const std::string> own;  // null: a window of the sequence
        const char *at() const { return own ? own->data() + start : Sequence::bytes + start; }
    };
    uint64_t size = 0;
    uint64_t start = 0;                                // of the one window, where `pieces` is null
    std::shared_ptr<const std::vector<Piece>> pieces;  // else these

    static Content window(uint64_t start, uint64_t size);
    static Content of(std::string bytes);
    static Content joined(const std::vector<Content> &parts);
    Content slice(uint64_t from, uint64_t length) const;
    // The longest run of contiguous bytes from `from` on.
    std::string_view run(uint64_t from) const;
    std::string text() const;
    uint64_t crc() const;
    std::string md5() const;  // 16 bytes; from a cache for windows that were loaded
    bool equals(const Content &other) const;
};

// Takes a request body piece by piece.
class Sink {
  public:
    void begin() { *this = Sink(); }
    void take(const char *data, size_t size);
    Content done();
    uint64_t crc() const { return crc_; }
    uint64_t size() const { return size_; }

  private:
    bool matching_ = false;
    uint64_t start_ = 0, size_ = 0, crc_ = 0;
    std::string own_;
};

// 16 bytes. The result for a window is kept where `keep`.
std::string md5_of(std::string_view data);
void remember_md5(uint64_t start, uint64_t size, const char *md5);
