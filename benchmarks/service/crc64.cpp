// Reflected CRC by carry-less multiplication: four 128-bit lanes are folded 64 bytes on at each step; what is left over
// goes through tables. All constants are computed at the start from the polynomial, so there is nothing to mistype.
#include "crc64.hpp"

#include <cstring>
#include <immintrin.h>

namespace {

constexpr uint64_t POLYNOMIAL = 0x9A6C9329AC4BC9B5ull;  // reflected

struct Tables {
    uint64_t slice[8][256];
    uint64_t fold_512[2], fold_128[2];
    uint64_t powers[64];  // x^(2^n) in the reflected field
    bool fast;

    // a * b in the field, both reflected (bit 63 is the coefficient of x^0).
    static uint64_t times(uint64_t a, uint64_t b) {
        uint64_t sum = 0;
        for (uint64_t bit = 1ull << 63; bit; bit >>= 1) {
            if (a & bit) sum ^= b;
            b = b & 1 ? (b >> 1) ^ POLYNOMIAL : b >> 1;
        }
        return sum;
    }

    uint64_t power(uint64_t n) const {  // x^n
        uint64_t value = 1ull << 63;
        for (int i = 0; n; n >>= 1, ++i)
            if (n & 1) value = times(value, powers[i]);
        return value;
    }

    Tables() {
        for (uint64_t n = 0; n < 256; ++n) {
            uint64_t value = n;
            for (int bit = 0; bit < 8; ++bit) value = value & 1 ? (value >> 1) ^ POLYNOMIAL : value >> 1;
            slice[0][n] = value;
        }
        for (int n = 0; n < 256; ++n)
            for (int k = 1; k < 8; ++k) slice[k][n] = (slice[k - 1][n] >> 8) ^ slice[0][slice[k - 1][n] & 255];
        powers[0] = 1ull << 62;
        for (int n = 1; n < 64; ++n) powers[n] = times(powers[n - 1], powers[n - 1]);
        // A carry-less product of two reflected values stands one bit too high, hence the -1.
        fold_512[0] = power(512 + 64 - 1), fold_512[1] = power(512 - 1);
        fold_128[0] = power(128 + 64 - 1), fold_128[1] = power(128 - 1);
        fast = __builtin_cpu_supports("pclmul");
    }
};

const Tables tables;

uint64_t by_table(uint64_t crc, const unsigned char *at, size_t size) {
    for (; size >= 8; at += 8, size -= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        crc ^= word;
        crc = tables.slice[7][crc & 255] ^ tables.slice[6][crc >> 8 & 255] ^ tables.slice[5][crc >> 16 & 255] ^
              tables.slice[4][crc >> 24 & 255] ^ tables.slice[3][crc >> 32 & 255] ^ tables.slice[2][crc >> 40 & 255] ^
              tables.slice[1][crc >> 48 & 255] ^ tables.slice[0][crc >> 56];
    }
    for (; size; ++at, --size) crc = crc >> 8 ^ tables.slice[0][(crc ^ *at) & 255];
    return crc;
}

__attribute__((target("pclmul,sse4.1"))) inline __m128i folded(__m128i lane, __m128i keys, __m128i next) {
    return _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(lane, keys, 0x00), _mm_clmulepi64_si128(lane, keys, 0x11)),
                         next);
}

__attribute__((target("pclmul,sse4.1"))) uint64_t by_multiplication(uint64_t crc, const unsigned char *at,
                                                                     size_t size) {
    const auto load = [](const unsigned char *from) __attribute__((target("pclmul,sse4.1"))) {
        return _mm_loadu_si128(reinterpret_cast<const __m128i *>(from));
    };
    const __m128i far = _mm_set_epi64x((long long)tables.fold_512[1], (long long)tables.fold_512[0]);
    const __m128i near = _mm_set_epi64x((long long)tables.fold_128[1], (long long)tables.fold_128[0]);
    __m128i a = _mm_xor_si128(load(at), _mm_set_epi64x(0, (long long)crc));
    __m128i b = load(at + 16), c = load(at + 32), d = load(at + 48);
    for (at += 64, size -= 64; size >= 64; at += 64, size -= 64) {
        a = folded(a, far, load(at));
        b = folded(b, far, load(at + 16));
        c = folded(c, far, load(at + 32));
        d = folded(d, far, load(at + 48));
    }
    a = folded(a, near, b);
    a = folded(a, near, c);
    a = folded(a, near, d);
    unsigned char rest[16];
    _mm_storeu_si128(reinterpret_cast<__m128i *>(rest), a);
    return by_table(by_table(0, rest, 16), at, size);
}

}  // namespace

uint64_t crc64(uint64_t crc, const void *data, size_t size) {
    const auto *at = static_cast<const unsigned char *>(data);
    return ~(tables.fast && size >= 64 ? by_multiplication(~crc, at, size) : by_table(~crc, at, size));
}

uint64_t crc64_joined(uint64_t first, uint64_t second, uint64_t second_size) {
    return Tables::times(first, tables.power(second_size * 8)) ^ second;
}
