#include "web/request.h"

#include <openssl/evp.h>

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "base/text.h"

namespace wal_exporter::web {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char small = lower_case(c);
  return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

// Padding may be missing. libcrypto skips blanks and reads padding as zero bits.
std::optional<std::string> decode_base64(std::string_view text) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  if (text.size() % 4 == 1 || text.find_first_not_of(kDigits) != std::string_view::npos) return std::nullopt;
  std::string padded(text);
  padded.resize((text.size() + 3) / 4 * 4, '=');
  std::string out(padded.size(), '\0');
  if (EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                      reinterpret_cast<const unsigned char*>(padded.data()), static_cast<int>(padded.size())) < 0)
    return std::nullopt;
  out.resize(text.size() * 3 / 4);
  return out;
}

}  // namespace

bool equal_ignoring_case(std::string_view left, std::string_view right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](char a, char b) { return lower_case(a) == lower_case(b); });
}

std::vector<std::string> header_values(const std::vector<Header>& headers, std::string_view name) {
  std::vector<std::string> out;
  for (const auto& header : headers) {
    if (equal_ignoring_case(header.name, name)) out.push_back(header.value);
  }
  return out;
}

Result<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return failure(ErrorKind::invalid, "a % in the address is not followed by two hexadecimal digits");
      }
      if (high == 0 && low == 0) return failure(ErrorKind::invalid, "the address holds %00");
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

Result<std::vector<std::string>> split_path(std::string_view path) {
  std::vector<std::string> segments;
  if (path.empty() || path.front() != '/') return failure(ErrorKind::invalid, "the path must begin with /");
  path.remove_prefix(1);
  if (path.empty()) return segments;
  for (;;) {
    const auto slash = path.find('/');
    auto segment = percent_decode(path.substr(0, slash));
    if (!segment) return tl::unexpected(segment.error());
    segments.push_back(std::move(*segment));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

Result<Parameters> parse_query(std::string_view query) {
  Parameters out;
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const auto pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    auto name = percent_decode(pair.substr(0, equals), true);
    if (!name) return tl::unexpected(name.error());
    auto value = percent_decode(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1), true);
    if (!value) return tl::unexpected(value.error());
    out.emplace_back(std::move(*name), std::move(*value));
  }
  return out;
}

Result<std::optional<std::string>> parameter(const Parameters& parameters, std::string_view name) {
  std::optional<std::string> out;
  for (const auto& [key, value] : parameters) {
    if (key != name) continue;
    if (out) return failure(ErrorKind::invalid, "the parameter " + std::string(name) + " is given twice");
    out = value;
  }
  return out;
}

std::optional<std::int64_t> parse_positive(const std::string& text) {
  std::int64_t value = 0;
  const auto* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end || value < 1) return std::nullopt;
  return value;
}

Result<std::optional<std::int64_t>> number_parameter(const Parameters& query, const std::string& name,
                                                     std::int64_t most) {
  const auto text = parameter(query, name);
  if (!text) return tl::unexpected(text.error());
  if (!*text) return std::nullopt;
  const auto value = parse_positive(**text);
  if (!value || *value > most) {
    return failure(ErrorKind::invalid, "the parameter " + name + " must be a whole number from 1 to " +
                                           std::to_string(most) + ", not \"" + escape_control(**text) + "\"");
  }
  return value;
}

std::optional<Credentials> parse_basic(std::string_view authorization) {
  const auto space = authorization.find(' ');
  if (space == std::string_view::npos || !equal_ignoring_case(authorization.substr(0, space), "Basic")) {
    return std::nullopt;
  }
  auto token = authorization.substr(space + 1);
  while (!token.empty() && token.front() == ' ') token.remove_prefix(1);
  while (!token.empty() && token.back() == ' ') token.remove_suffix(1);
  const auto decoded = decode_base64(token);
  const auto colon = decoded ? decoded->find(':') : std::string::npos;
  if (colon == std::string::npos) return std::nullopt;
  return Credentials{decoded->substr(0, colon), decoded->substr(colon + 1)};
}

}  // namespace wal_exporter::web
