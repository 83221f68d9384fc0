#include "wal/node_snapshot.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <exception>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/bytes.h"
#include "base/file.h"
#include "base/text.h"
#include "wal/listing.h"

namespace wal_exporter::wal {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kSnapshotDigits = 20;
constexpr std::string_view kSnapshotSuffix = ".info.json";

// Keeps two numbers of the outermost object and passes over everything else.
class Fields final : public Json::json_sax_t {
 public:
  // `head_alone`: ends before the first list or object behind both of them.
  explicit Fields(bool head_alone) : head_alone_(head_alone) {}

  bool null() override { return other("null"); }
  bool boolean(bool) override { return other("a truth value"); }
  bool number_integer(number_integer_t) override { return other("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return other("not a 64 bit whole number"); }
  bool string(string_t&) override { return other("a text"); }
  bool binary(binary_t&) override { return other("binary"); }
  bool number_unsigned(number_unsigned_t value) override {
    if (wanted_ == nullptr) return other("");
    if (wanted_->value) return refuse(std::string(wanted_->name) + " is there twice");
    wanted_->value = value;
    wanted_ = nullptr;
    return true;
  }
  bool key(string_t& name) override {
    wanted_ = nullptr;
    if (depth_ != 1) return true;
    for (Field& field : fields_) {
      if (field.name == name) wanted_ = &field;
    }
    return true;
  }
  bool start_object(std::size_t) override { return open("an object"); }
  bool start_array(std::size_t) override {
    if (depth_ == 0) return refuse("it is no JSON object");
    return open("a list");
  }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return refuse("it is not complete JSON (at byte " + std::to_string(position) + ")");
  }

  bool refuse(std::string why) {
    if (why_.empty()) why_ = std::move(why);
    return false;
  }
  [[nodiscard]] const std::string& why() const { return why_; }
  [[nodiscard]] bool ended_early() const { return ended_early_; }

  [[nodiscard]] Result<Snapshot> snapshot(std::uint64_t sequence) const {
    for (const Field& field : fields_) {
      if (!field.value) {
        return failure(ErrorKind::corrupt, std::string(field.name) + " is missing");
      }
    }
    if (fields_[0].value != sequence) {
      return failure(ErrorKind::invalid, "its snapshot_sequence_number is " + std::to_string(*fields_[0].value) +
                                             ", its name says " + std::to_string(sequence));
    }
    Snapshot snapshot;
    snapshot.sequence = sequence;
    snapshot.wal_file_sequence = *fields_[1].value;
    return snapshot;
  }

 private:
  struct Field {
    std::string_view name;
    std::optional<std::uint64_t> value;
  };

  bool other(const char* what) {
    if (depth_ == 0) return refuse("it is no JSON object");
    if (wanted_ == nullptr) return true;
    return refuse(std::string(wanted_->name) + " is " + what);
  }
  bool open(const char* what) {
    if (wanted_ != nullptr) return refuse(std::string(wanted_->name) + " is " + what);
    ended_early_ = head_alone_ && depth_ == 1 && fields_[0].value && fields_[1].value;
    ++depth_;
    return !ended_early_;
  }
  bool close() {
    --depth_;
    wanted_ = nullptr;
    return true;
  }

  std::array<Field, 2> fields_{Field{"snapshot_sequence_number", {}}, Field{"wal_file_sequence_number", {}}};
  const bool head_alone_;
  bool ended_early_ = false;
  Field* wanted_ = nullptr;  // whose value comes next
  std::size_t depth_ = 0;
  std::string why_;
};

template <class Iterator>
Result<Snapshot> parse(Iterator begin, Iterator end, std::uint64_t sequence, bool head_alone) {
  Fields fields(head_alone);
  try {
    if (Json::sax_parse(begin, end, &fields) || fields.ended_early()) return fields.snapshot(sequence);
  } catch (const std::exception& error) {
    return failure(ErrorKind::corrupt, std::string("reading it failed: ") + error.what());
  }
  return failure(ErrorKind::corrupt, fields.why().empty() ? "it is no JSON object" : fields.why());
}

// Hands out a file byte by byte, read in pieces.
class FileBytes {
 public:
  FileBytes(int file, const std::stop_token& stop) : file_(file), stop_(stop), buffer_(kWholeBytes) { fill(); }

  [[nodiscard]] bool at_end() const { return position_ == size_; }
  [[nodiscard]] char current() const { return buffer_[position_]; }
  void advance() {
    if (++position_ == size_) fill();
  }

  // Why it ended before the end of the file; 0 if it did not.
  [[nodiscard]] int error() const { return error_; }
  [[nodiscard]] bool stopped() const { return stopped_; }
  [[nodiscard]] bool too_far() const { return total_ > kMostHeadBytes; }

 private:
  void fill() {
    position_ = 0;
    size_ = 0;
    stopped_ = stop_.stop_requested();
    if (stopped_ || too_far()) return;
    while (true) {
      const ssize_t got = ::read(file_, buffer_.data(), buffer_.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) error_ = errno;
      if (got <= 0) return;
      size_ = static_cast<std::size_t>(got);
      total_ += size_;
      return;
    }
  }

  const int file_;
  const std::stop_token& stop_;
  std::vector<char> buffer_;
  std::size_t position_ = 0;
  std::size_t size_ = 0;
  std::uint64_t total_ = 0;
  int error_ = 0;
  bool stopped_ = false;
};

class ByteIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = char;

  ByteIterator() = default;
  explicit ByteIterator(FileBytes& bytes) : bytes_(&bytes) {}
  char operator*() const { return bytes_->current(); }
  ByteIterator& operator++() {
    bytes_->advance();
    return *this;
  }
  ByteIterator operator++(int) {
    ByteIterator before = *this;
    bytes_->advance();
    return before;
  }
  friend bool operator==(const ByteIterator& a, const ByteIterator& b) { return a.ended() == b.ended(); }

 private:
  [[nodiscard]] bool ended() const { return bytes_ == nullptr || bytes_->at_end(); }
  FileBytes* bytes_ = nullptr;
};

// Whether a file of which the head alone was read ends as a whole one does: with the
// brace of the outermost object. InfluxDB indents what lies deeper, so that a brace at the
// start of a line is that one. The error is an errno.
tl::expected<bool, int> ends_as_a_whole(int file, std::uint64_t size) {
  std::array<char, 2> begin{};
  std::array<char, 64> end{};
  const auto position = static_cast<off_t>(size - end.size());
  if (::pread(file, begin.data(), begin.size(), 0) < 0) return tl::unexpected(errno);
  const ssize_t got = ::pread(file, end.data(), end.size(), position);
  if (got < 0) return tl::unexpected(errno);
  std::string_view text(end.data(), static_cast<std::size_t>(got));
  text = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
  const bool indented = begin[0] == '{' && begin[1] == '\n';
  return text.ends_with(indented ? "\n}" : "}");
}

}  // namespace

std::optional<std::uint64_t> parse_snapshot_name(std::string_view name) {
  if (name.size() != kSnapshotDigits + kSnapshotSuffix.size() || !name.ends_with(kSnapshotSuffix)) return std::nullopt;
  std::uint64_t inverted = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + kSnapshotDigits, inverted);
  if (error != std::errc{} || end != name.data() + kSnapshotDigits) return std::nullopt;
  return std::numeric_limits<std::uint64_t>::max() - inverted;
}

std::string snapshot_name(std::uint64_t sequence) {
  const std::string digits = std::to_string(std::numeric_limits<std::uint64_t>::max() - sequence);
  return std::string(kSnapshotDigits - digits.size(), '0') + digits + std::string(kSnapshotSuffix);
}

Result<Snapshot> decode_snapshot(std::string_view content, std::uint64_t sequence) {
  return parse(content.begin(), content.end(), sequence, /*head_alone=*/false);
}

Result<Snapshot> decode_snapshot_head(std::string_view content, std::uint64_t sequence) {
  return parse(content.begin(), content.end(), sequence, /*head_alone=*/true);
}

Result<Snapshot> read_snapshot(int directory, const std::filesystem::path& path, std::uint64_t sequence,
                               const std::stop_token& stop) {
  const std::string name = snapshot_name(sequence);
  const std::filesystem::path whole = path / name;
  const std::string shown = escape_control(whole.string());
  const Fd file(::openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY));
  if (!file.valid() && errno == ELOOP) return failure(ErrorKind::not_found, shown + " is a symbolic link");
  if (!file.valid()) return tl::unexpected(access_error(errno, "opening", whole));
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return tl::unexpected(access_error(errno, "checking", whole));
  if (!S_ISREG(status.st_mode)) return failure(ErrorKind::not_found, shown + " is not a regular file");

  const auto size = static_cast<std::uint64_t>(status.st_size);
  const bool head_alone = size > kWholeBytes;
  FileBytes bytes(file.get(), stop);
  auto snapshot = parse(ByteIterator(bytes), ByteIterator(), sequence, head_alone);
  if (bytes.stopped()) return failure(ErrorKind::cancelled, "stopped while reading " + shown);
  if (bytes.error() != 0) return tl::unexpected(access_error(bytes.error(), "reading", whole));
  if (bytes.too_far()) {
    snapshot = failure(ErrorKind::invalid, "what it covers is not said in its first 16 MiB");
    static_assert(kMostHeadBytes == 16 * kMiB);
  } else if (snapshot && head_alone) {
    const auto is_whole = ends_as_a_whole(file.get(), size);
    if (!is_whole) return tl::unexpected(access_error(is_whole.error(), "reading the end of", whole));
    if (!*is_whole) snapshot = failure(ErrorKind::corrupt, "it is not complete JSON (its end is missing)");
  }
  if (!snapshot) {
    return failure(snapshot.error().kind, "it is not used: " + snapshot.error().message);
  }
  snapshot->written = to_time(status.st_mtim);
  return snapshot;
}

}  // namespace wal_exporter::wal
