#include "metrics/serialize.h"

#include <prometheus/text_serializer.h>

#include <ostream>
#include <streambuf>
#include <utility>

namespace wal_exporter::metrics {
namespace {

// An ostream's buffer that appends to a string: no copy at the end.
class Appender final : public std::streambuf {
 public:
  explicit Appender(std::string& text) : text_(text) {}

 private:
  std::streamsize xsputn(const char* data, std::streamsize size) override {
    text_.append(data, static_cast<std::size_t>(size));
    return size;
  }
  int_type overflow(int_type c) override {
    if (!traits_type::eq_int_type(c, traits_type::eof())) text_ += traits_type::to_char_type(c);
    return traits_type::not_eof(c);
  }

  std::string& text_;
};

// Bounds with a fraction, 1.0 for 1: OpenMetrics asks for it, Prometheus 3 makes it so, and a
// series must not be another one as the format changes.
void write_bounds_as_fractions(std::string& text, std::size_t begin) {
  constexpr std::string_view kLabel = "le=\"";
  for (std::size_t at = begin; (at = text.find(kLabel, at)) != std::string::npos;) {
    const char before = text[at - 1];
    at += kLabel.size();
    const std::size_t end = text.find_first_not_of("0123456789", at);
    if ((before == '{' || before == ',') && end > at && text[end] == '"') text.insert(end, ".0");
  }
}

}  // namespace

void TextWriter::serialize(prometheus::MetricFamily& family) {
  const std::size_t begin = text_.size();
  Appender buffer(text_);
  std::ostream out(&buffer);
  std::swap(one_.front(), family);
  prometheus::TextSerializer().Serialize(out, one_);
  std::swap(one_.front(), family);
  if (family.type == prometheus::MetricType::Histogram) write_bounds_as_fractions(text_, begin);
  family.metric.clear();
}

void TextWriter::write(prometheus::MetricFamily& family) {
  if (!family.metric.empty()) serialize(family);
}

void TextWriter::write_values(prometheus::MetricFamily& family) {
  if (family.metric.empty()) return;
  const std::size_t begin = text_.size();
  serialize(family);
  // Two lines: our help texts have no line break.
  const std::size_t values = text_.find('\n', text_.find('\n', begin) + 1) + 1;
  text_.erase(begin, values - begin);
}

void TextWriter::write_header(prometheus::MetricFamily family) {
  family.metric.clear();
  serialize(family);
}

std::string TextWriter::take() {
  return std::exchange(text_, {});
}

}  // namespace wal_exporter::metrics
