#include "content.hpp"

#include <openssl/evp.h>
#include <stdexcept>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <unordered_map>

#include "crc64.hpp"

const char *Sequence::bytes = nullptr;
uint64_t Sequence::size = 0;

namespace {

// Word k of the sequence is a reversible mix of k, so any eight bytes tell where they stand.
constexpr uint64_t A = 0xBF58476D1CE4E5B9ull, B = 0x94D049BB133111EBull, SEED = 0x6A09E667F3BCC908ull;

constexpr uint64_t inverse(uint64_t odd) {
    uint64_t x = odd;
    for (int i = 0; i < 6; ++i) x *= 2 - odd * x;
    return x;
}

uint64_t mixed(uint64_t k) {
    uint64_t z = k + SEED;
    z = (z ^ z >> 30) * A;
    z = (z ^ z >> 27) * B;
    return z ^ z >> 31;
}

uint64_t unmixed(uint64_t z) {
    z ^= z >> 31 ^ z >> 62;
    z *= inverse(B);
    z ^= z >> 27 ^ z >> 54;
    z *= inverse(A);
    z ^= z >> 30 ^ z >> 60;
    return z - SEED;
}

struct Known {
    std::shared_mutex guard;
    std::unordered_map<uint64_t, std::array<char, 16>> md5;
    static uint64_t key(uint64_t start, uint64_t size) { return start / 8 * 0x9E3779B97F4A7C15ull ^ size; }
} known;

}  // namespace

void Sequence::make(uint64_t mebibytes) {
    size = mebibytes << 20;
    const int file = memfd_create("sequence", 0);
    if (file < 0 || ftruncate(file, static_cast<off_t>(size))) throw std::runtime_error("no memory for the sequence");
    char *place = static_cast<char *>(mmap(nullptr, size * 2, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (int half = 0; half < 2; ++half)
        if (mmap(place + static_cast<uint64_t>(half) * size, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) == MAP_FAILED)
            throw std::runtime_error("no memory for the sequence");
    close(file);
    auto *words = reinterpret_cast<uint64_t *>(place);
    const uint64_t count = size / 8;
    std::thread other([&] { for (uint64_t k = count / 2; k < count; ++k) words[k] = mixed(k); });
    for (uint64_t k = 0; k < count / 2; ++k) words[k] = mixed(k);
    other.join();
    mprotect(place, size * 2, PROT_READ);
    bytes = place;
}

uint64_t Sequence::place_of(const void *at) {
    uint64_t word;
    memcpy(&word, at, 8);
    const uint64_t k = unmixed(word);
    return k < size / 8 ? k * 8 : ~0ull;
}

Content Content::window(uint64_t start, uint64_t size) {
    Content made;
    made.size = size;
    made.start = size ? start % Sequence::size : 0;
    return made;
}

Content Content::of(std::string bytes) {
    Content made;
    made.size = bytes.size();
    if (made.size) {
        auto own = std::make_shared<const std::string>(std::move(bytes));
        made.pieces = std::make_shared<const std::vector<Piece>>(1, Piece{0, own->size(), own});
    }
    return made;
}

Content Content::joined(const std::vector<Content> &parts) {
    std::vector<Piece> all;
    uint64_t size = 0;
    const auto add = [&all](const Piece &piece) {
        if (!piece.size) return;
        if (!all.empty() && !all.back().own && !piece.own &&
            (all.back().start + all.back().size) % Sequence::size == piece.start &&
            all.back().size + piece.size <= Sequence::size)
            all.back().size += piece.size;
        else
            all.push_back(piece);
    };
    for (const auto &part : parts) {
        size += part.size;
        if (part.pieces)
            for (const auto &piece : *part.pieces) add(piece);
        else
            add({part.start, part.size, nullptr});
    }
    if (all.empty()) return Content();
    if (all.size() == 1 && !all[0].own) return window(all[0].start, size);
    Content made;
    made.size = size;
    made.pieces = std::make_shared<const std::vector<Piece>>(std::move(all));
    return made;
}

Content Content::slice(uint64_t from, uint64_t length) const {
    if (!pieces) return window(start + from, length);
    std::vector<Piece> cut;
    for (const auto &piece : *pieces) {
        if (from >= piece.size) {
            from -= piece.size;
            continue;
        }
        if (!length) break;
        const uint64_t take = std::min(length, piece.size - from);
        cut.push_back({piece.own ? piece.start + from : (piece.start + from) % Sequence::size, take, piece.own});
        length -= take;
        from = 0;
    }
    Content made;
    for (const auto &piece : cut) made.size += piece.size;
    if (made.size) made.pieces = std::make_shared<const std::vector<Piece>>(std::move(cut));
    return made;
}

std::string_view Content::run(uint64_t from) const {
    if (!pieces) {
        // The second mapping ends after twice the size, so a long window goes in two runs.
        const uint64_t at = (start + from) % Sequence::size;
        return {Sequence::bytes + at, std::min(size - from, 2 * Sequence::size - at)};
    }
    for (const auto &piece : *pieces) {
        if (from < piece.size) return {piece.at() + from, piece.size - from};
        from -= piece.size;
    }
    return {};
}

std::string Content::text() const {
    std::string all;
    for (uint64_t at = 0; at < size;) {
        const auto part = run(at);
        all.append(part);
        at += part.size();
    }
    return all;
}

uint64_t Content::crc() const {
    uint64_t value = 0;
    for (uint64_t at = 0; at < size;) {
        const auto part = run(at);
        value = crc64(value, part.data(), part.size());
        at += part.size();
    }
    return value;
}

std::string Content::md5() const {
    if (!pieces && size) {
        std::shared_lock lock(known.guard);
        const auto found = known.md5.find(Known::key(start, size));
        if (found != known.md5.end()) return {found->second.data(), 16};
    }
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_DigestInit_ex(context, EVP_md5(), nullptr);
    for (uint64_t at = 0; at < size;) {
        const auto part = run(at);
        EVP_DigestUpdate(context, part.data(), part.size());
        at += part.size();
    }
    unsigned char out[16];
    EVP_DigestFinal_ex(context, out, nullptr);
    EVP_MD_CTX_free(context);
    return {reinterpret_cast<char *>(out), 16};
}

bool Content::equals(const Content &other) const {
    if (size != other.size) return false;
    if (!pieces && !other.pieces && start == other.start) return true;
    for (uint64_t at = 0; at < size;) {
        const auto mine = run(at), theirs = other.run(at);
        const size_t length = std::min(mine.size(), theirs.size());
        if (memcmp(mine.data(), theirs.data(), length)) return false;
        at += length;
    }
    return true;
}

void Sink::take(const char *data, size_t size) {
    if (!size) return;
    crc_ = crc64(crc_, data, size);
    if (!size_ && size >= 8) {
        start_ = Sequence::place_of(data);
        matching_ = start_ != ~0ull;
    }
    if (matching_) {
        const uint64_t at = (start_ + size_) % Sequence::size;
        if (size <= Sequence::size && size_ + size <= Sequence::size && !memcmp(Sequence::bytes + at, data, size)) {
            size_ += size;
            return;
        }
        matching_ = false;
        own_ = Content::window(start_, size_).text();
    }
    own_.append(data, size);
    size_ += size;
}

Content Sink::done() { return matching_ ? Content::window(start_, size_) : Content::of(std::move(own_)); }

std::string md5_of(std::string_view data) {
    unsigned char out[16];
    unsigned length = 0;
    EVP_Digest(data.data(), data.size(), out, &length, EVP_md5(), nullptr);
    return {reinterpret_cast<char *>(out), 16};
}

void remember_md5(uint64_t start, uint64_t size, const char *md5) {
    std::unique_lock lock(known.guard);
    memcpy(known.md5[Known::key(start % Sequence::size, size)].data(), md5, 16);
}
