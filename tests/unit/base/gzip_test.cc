#include "base/gzip.h"

#include <gtest/gtest.h>
#include <zlib.h>

namespace wal_exporter {
namespace {

// By zlib, which reads one member; empty where it is not whole or something follows.
std::string gunzip(const std::string& bytes, std::size_t size) {
  constexpr int kGzip = 15 + 16;
  std::string out(size + 1, '\0');
  z_stream stream{};
  inflateInit2(&stream, kGzip);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int ended = inflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  const bool whole = ended == Z_STREAM_END && stream.avail_in == 0;
  inflateEnd(&stream);
  return whole ? out : std::string();
}

std::string long_text() {
  std::string out;
  for (int i = 0; i < 5000; ++i) out += "influxdb_wal_files{target=\"t" + std::to_string(i * i) + "\"} 1\n";
  return out;
}

TEST(Gzip, IsReadBackAsItWas) {
  const std::string text = long_text();
  const std::string packed = gzip(text);
  EXPECT_EQ(gunzip(packed, text.size()), text);
  EXPECT_LT(packed.size(), text.size() / 5);
  EXPECT_EQ(gunzip(gzip("a"), 1), "a");
}

TEST(Gzip, APieceThatIsKeptTakesManyEnds) {
  const std::string text = long_text();
  const Deflated head = deflate_piece(text, false);
  for (const std::string tail : {"", "# EOF\n", "another end\n"}) {
    EXPECT_EQ(gunzip(gzip(head, deflate_piece(tail, true)), text.size() + tail.size()), text + tail) << tail;
  }
}

}  // namespace
}  // namespace wal_exporter
