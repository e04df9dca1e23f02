// CRC-64/NVME, the checksum that Azure Storage calls CRC64 (little-endian on the wire).
#pragma once
#include <cstddef>
#include <cstdint>

// Continues `crc` (0 at the start) over `size` bytes.
uint64_t crc64(uint64_t crc, const void *data, size_t size);

// The CRC64 of A and B put together, from those of A and B and the length of B.
uint64_t crc64_joined(uint64_t first, uint64_t second, uint64_t second_size);
