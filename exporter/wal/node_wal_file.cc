#include "wal/node_wal_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <span>

#include "wal/listing.h"
#include "wal/node_header.h"

namespace wal_exporter::wal {
namespace {

constexpr std::size_t kFileDigits = 11;
constexpr std::string_view kFileSuffix = ".wal";
constexpr std::size_t kFirstRead = 4096;

// `name` relative to `directory`, or "" for `directory` itself, which may be a file.
Result<std::optional<FileStatus>> status_of(int directory, const char* name, const std::filesystem::path& whole,
                                            ReadCounter& counter) {
  counter.statted.fetch_add(1, std::memory_order_relaxed);
  struct statx status {};
  constexpr unsigned wanted = STATX_TYPE | STATX_SIZE | STATX_MTIME | STATX_CTIME | STATX_INO;
  constexpr int flags = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;
  if (::statx(directory, name, flags, wanted, &status) != 0) {
    if (errno == ENOENT) return std::nullopt;
    return tl::unexpected(access_error(errno, "checking", whole));
  }
  if (!S_ISREG(status.stx_mode)) return std::nullopt;
  return FileStatus{{status.stx_ino, status.stx_size, to_time(status.stx_ctime)}, to_time(status.stx_mtime)};
}

// The fault that a file has by its size alone.
std::optional<FileFault> size_fault(std::uint64_t bytes) {
  if (bytes == 0) return FileFault{InvalidReason::empty, "it holds nothing"};
  if (bytes < kChecksummedFrom) {
    return FileFault{InvalidReason::too_short, "it has " + std::to_string(bytes) + " bytes, less than a header"};
  }
  return std::nullopt;
}

FileReading with_fault(FileReading reading, InvalidReason reason, std::string detail) {
  reading.facts.state = FileState::invalid;
  reading.facts.checked = true;
  reading.fault = FileFault{reason, std::move(detail)};
  return reading;
}

// Readable, but not for us.
FileReading not_understood(FileReading reading, InvalidReason reason, std::string detail) {
  reading.facts.state = FileState::unknown;
  reading.fault = FileFault{reason, std::move(detail)};
  return reading;
}

FileReading judge_first_bytes(FileReading reading, std::span<const std::byte> data,
                              std::optional<std::uint64_t> number) {
  const Header header = decode_header(data.first(std::min(data.size(), kHeaderBytes)), number);
  reading.number = header.number;
  switch (header.state) {
    case HeaderState::too_short:
      return with_fault(std::move(reading), InvalidReason::too_short, header.detail);
    case HeaderState::bad_magic:
      return with_fault(std::move(reading), InvalidReason::magic, header.detail);
    case HeaderState::newer:
      reading.facts.checked = true;  // nobody knows how
      return not_understood(std::move(reading), InvalidReason::newer, header.detail);
    default:
      break;
  }
  if (data.size() < kFirstRead) {
    ChecksumProgress progress;
    add_to_checksum(progress, data);
    if (!progress.matches()) {
      return with_fault(std::move(reading), InvalidReason::checksum, "its content does not match its checksum");
    }
    reading.facts.checked = true;
  }
  reading.facts.persisted = header.persisted;
  switch (header.state) {
    case HeaderState::older:
      return with_fault(std::move(reading), InvalidReason::older, header.detail);
    case HeaderState::void_times:
      reading.facts.void_times = true;
      return with_fault(std::move(reading), InvalidReason::times, header.detail);
    case HeaderState::other_number:
      return not_understood(std::move(reading), InvalidReason::foreign,
                            "its header holds number " + std::to_string(header.number));
    case HeaderState::unknown:
      return not_understood(std::move(reading), InvalidReason::newer, header.detail);
    default:
      break;
  }
  reading.facts.state = FileState::valid;
  reading.facts.min_time = header.min_time;
  reading.facts.max_time = header.max_time;
  return reading;
}

Result<Fd> open_named(int directory, const std::filesystem::path& path, const std::string& name, ReadCounter& counter) {
  counter.opened.fetch_add(1, std::memory_order_relaxed);
  Fd file(::openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY));
  if (file.valid()) return file;
  // ELOOP: a symbolic link took its place.
  const int cause = errno == ELOOP ? ENOENT : errno;
  Error error = access_error(cause, "opening", path / name);
  if (cause == EMFILE || cause == ENFILE || cause == ENOMEM) error.kind = ErrorKind::internal;
  return tl::unexpected(std::move(error));
}

Result<std::optional<FileReading>> read_named(int directory, const std::filesystem::path& path, const std::string& name,
                                              std::optional<std::uint64_t> number, Integrity integrity,
                                              ReadCounter& counter) {
  const auto status = status_of(directory, name.c_str(), path / name, counter);
  if (!status) return tl::unexpected(status.error());
  if (!*status) return std::nullopt;
  FileReading reading;
  reading.identity = (*status)->identity;
  reading.facts.bytes = reading.identity.bytes;
  reading.facts.modified = (*status)->modified;
  if (auto fault = size_fault(reading.facts.bytes)) {
    return with_fault(std::move(reading), fault->reason, std::move(fault->detail));
  }
  if (integrity == Integrity::off) return reading;

  const auto file = open_named(directory, path, name, counter);
  if (!file && file.error().kind == ErrorKind::not_found) return std::nullopt;
  if (!file && file.error().kind == ErrorKind::internal) return tl::unexpected(file.error());
  if (!file) return with_fault(std::move(reading), InvalidReason::unreadable, file.error().message);
  // Keeps the kernel from reading on: only the beginning is wanted.
  ::posix_fadvise(file->get(), 0, 0, POSIX_FADV_RANDOM);
  std::byte buffer[kFirstRead];
  std::size_t size = 0;
  while (size < sizeof buffer) {
    const ssize_t got = ::pread(file->get(), buffer + size, sizeof buffer - size, static_cast<off_t>(size));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const Error error = access_error(errno, "reading", path / name);
      return with_fault(std::move(reading), InvalidReason::unreadable, error.message);
    }
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  return judge_first_bytes(std::move(reading), {buffer, size}, number);
}

}  // namespace

std::optional<std::uint64_t> parse_node_file_name(std::string_view name) {
  if (name.size() != kFileDigits + kFileSuffix.size() || !name.ends_with(kFileSuffix)) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + kFileDigits, number);
  if (error != std::errc{} || end != name.data() + kFileDigits) return std::nullopt;
  return number;
}

std::string node_file_name(std::uint64_t number) {
  const std::string digits = std::to_string(number);
  return std::string(digits.size() < kFileDigits ? kFileDigits - digits.size() : 0, '0') + digits +
         std::string(kFileSuffix);
}

Result<std::optional<FileStatus>> stat_node_file(int directory, const std::filesystem::path& path, std::uint64_t number,
                                                 ReadCounter& counter) {
  const std::string name = node_file_name(number);
  return status_of(directory, name.c_str(), path / name, counter);
}

Result<std::optional<FileStatus>> stat_foreign_file(int directory, const std::filesystem::path& path,
                                                    const std::string& name, ReadCounter& counter) {
  return status_of(directory, name.c_str(), path / name, counter);
}

Result<Fd> open_node_file(int directory, const std::filesystem::path& path, std::uint64_t number,
                          ReadCounter& counter) {
  return open_named(directory, path, node_file_name(number), counter);
}

Result<std::optional<FileReading>> read_node_file(int directory, const std::filesystem::path& path,
                                                  std::uint64_t number, Integrity integrity, ReadCounter& counter) {
  return read_named(directory, path, node_file_name(number), number, integrity, counter);
}

Result<std::optional<FileReading>> read_foreign_file(int directory, const std::filesystem::path& path,
                                                     const std::string& name, ReadCounter& counter) {
  return read_named(directory, path, name, std::nullopt, Integrity::header, counter);
}

}  // namespace wal_exporter::wal
