#include "base/secrets.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace wal_exporter {
namespace {

constexpr std::string_view kInItsPlace = "[secret]";
constexpr std::size_t kShortest = 4;
constexpr std::size_t kPiece = 12;
constexpr std::size_t kStride = 4;  // so a piece of 15 bytes has one of the pieces in it
constexpr std::size_t kLongest = 16 * 1024;
// Those in use are remembered anew at their next use.
constexpr std::size_t kMostKnown = 8192;
constexpr std::uint64_t kBase = 1099511628211U;

constexpr std::uint64_t kLeaving = [] {
  std::uint64_t power = 1;
  for (std::size_t i = 0; i < kPiece; ++i) power *= kBase;
  return power;
}();

std::uint64_t take(std::uint64_t hash, char c) {
  return hash * kBase + static_cast<unsigned char>(c) + 1;
}

std::uint64_t drop(std::uint64_t hash, char c) {
  return hash - kLeaving * (static_cast<std::uint64_t>(static_cast<unsigned char>(c)) + 1);
}

std::size_t slot(std::uint64_t hash) {
  return static_cast<std::size_t>(hash >> 48U);
}

// As servers written in Go put a text into JSON.
std::string in_json(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '<' || c == '>' || c == '&') {
      out += c == '<' ? "\\u003c" : c == '>' ? "\\u003e" : "\\u0026";
    } else {
      out += c;
    }
  }
  return out;
}

std::string_view after(std::string_view text, std::string_view mark) {
  const auto at = text.find(mark);
  return at == std::string_view::npos ? std::string_view() : text.substr(at + mark.size());
}

}  // namespace

void Secrets::add_form(std::string form) {
  if (form.size() < kShortest) return;
  if (form.size() < kPiece + kStride - 1) {
    short_.insert(std::move(form));
    return;
  }
  if (std::find(long_.begin(), long_.end(), form) != long_.end()) return;
  const auto number = static_cast<std::uint32_t>(long_.size());
  for (std::size_t at = 0; at + kPiece <= form.size(); at += kStride) {
    std::uint64_t hash = 0;
    for (const char c : std::string_view(form).substr(at, kPiece)) hash = take(hash, c);
    pieces_.try_emplace(hash, Place{number, static_cast<std::uint32_t>(at)});
    hashes_.set(slot(hash));
  }
  long_.push_back(std::move(form));
}

void Secrets::remember(std::string_view secret) {
  secret = secret.substr(0, kLongest);
  if (secret.size() < kShortest) return;
  const MutexLock lock(mutex_);
  if (known_.size() >= kMostKnown) {
    known_.clear();
    short_.clear();
    long_.clear();
    pieces_.clear();
    hashes_.reset();
  }
  if (!known_.emplace(secret).second) return;
  std::vector<std::string_view> parts;
  if (secret.starts_with("http://") || secret.starts_with("https://")) {
    // Scheme and host are no secret, and stand in messages.
    const auto rest = after(secret, "://");
    const auto path = std::min(rest.find_first_of("/?"), rest.size());
    const auto user = rest.substr(0, path).rfind('@');
    parts = {rest.substr(std::min(path + 1, rest.size()))};
    if (user != std::string_view::npos) parts.push_back(after(rest.substr(0, user), ":"));
  } else if (const auto value = after(secret, ": "); !value.empty()) {
    // A header: its value, and that without the scheme of a login.
    parts = {value, after(value, " ")};
  } else {
    parts = {secret, after(secret, ":")};
  }
  for (const auto part : parts) {
    if (part.size() < kShortest) continue;
    add_form(std::string(part));
    add_form(to_base64(part));
    add_form(percent_encode(part));
    add_form(in_json(part));
  }
}

void Secrets::find_long(std::string_view text, std::vector<Range>& found) const {
  if (pieces_.empty() || text.size() < kPiece) return;
  std::uint64_t hash = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    hash = take(hash, text[i]);
    if (i >= kPiece) hash = drop(hash, text[i - kPiece]);
    if (i + 1 < kPiece || !hashes_.test(slot(hash))) continue;
    const auto piece = pieces_.find(hash);
    if (piece == pieces_.end()) continue;
    const std::string& form = long_[piece->second.form];
    std::size_t begin = i + 1 - kPiece;
    std::size_t from = piece->second.offset;
    if (text.substr(begin, kPiece) != std::string_view(form).substr(from, kPiece)) continue;
    std::size_t end = begin + kPiece;
    std::size_t to = from + kPiece;
    while (begin > 0 && from > 0 && text[begin - 1] == form[from - 1]) --begin, --from;
    while (end < text.size() && to < form.size() && text[end] == form[to]) ++end, ++to;
    // The space between the scheme of a login and its token is no part of it.
    while (text[begin] == ' ') ++begin;
    found.push_back({begin, end});
  }
}

void Secrets::find_short(std::string_view text, std::vector<Range>& found) const {
  for (const auto& secret : short_) {
    for (auto at = text.find(secret); at != std::string_view::npos; at = text.find(secret, at + secret.size())) {
      found.push_back({at, at + secret.size()});
    }
  }
}

std::string Secrets::without(std::string_view text, std::vector<Range> found) {
  std::sort(found.begin(), found.end(), [](const Range& a, const Range& b) { return a.begin < b.begin; });
  std::string out;
  std::size_t shown = 0;
  for (const auto& range : found) {
    if (range.begin > shown || out.empty()) {
      out += text.substr(shown, range.begin - shown);
      out += kInItsPlace;
    }
    shown = std::max(shown, range.end);
  }
  out += text.substr(shown);
  return out;
}

std::string Secrets::strike(std::string_view text) const {
  std::vector<Range> found;
  {
    const MutexLock lock(mutex_);
    find_long(text, found);
    find_short(text, found);
  }
  return without(text, std::move(found));
}

void Secrets::strike_long(std::string& text) const {
  std::vector<Range> found;
  {
    const MutexLock lock(mutex_);
    find_long(text, found);
  }
  if (!found.empty()) text = without(text, std::move(found));
}

Secrets& process_secrets() {
  static Secrets secrets;
  return secrets;
}

std::string foreign_text(std::string_view text, std::size_t most) {
  // Struck out before it is cut, so that no piece is left.
  constexpr std::size_t kReadAtMost = 64 * 1024;
  std::string out = process_secrets().strike(text.substr(0, kReadAtMost));
  const bool cut = out.size() > most || text.size() > kReadAtMost;
  if (out.size() > most) {
    // Not inside a character.
    while (most > 0 && (static_cast<unsigned char>(out[most]) & 0xC0U) == 0x80U) --most;
    out.resize(most);
  }
  return escape_control(out) + (cut ? "..." : "");
}

}  // namespace wal_exporter
