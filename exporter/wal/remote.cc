#include "wal/remote.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <array>
#include <utility>

#include "base/bytes.h"
#include "base/file.h"

namespace wal_exporter::wal {
namespace {

// mountinfo writes blanks and backslashes as three octal digits, an overlay a colon in a
// name as "\:".
std::string unescaped(std::string_view text) {
  std::string out;
  const auto octal = [&](std::size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '7'; };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && octal(i + 1) && octal(i + 2) && octal(i + 3)) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

// Takes the part before `end` off the front.
std::string_view cut(std::string_view& text, char end) {
  const auto at = text.find(end);
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return part;
}

void add_layers(std::string_view options, std::vector<std::filesystem::path>& layers) {
  while (!options.empty()) {
    const std::string_view option = cut(options, ',');
    const auto equals = option.find('=');
    const std::string_view key = option.substr(0, equals);
    if (key != "upperdir" && key != "lowerdir" && key != "lowerdir+") continue;
    const std::string value = unescaped(option.substr(equals + 1));
    std::string layer;
    for (std::size_t i = 0; i <= value.size(); ++i) {
      if (i == value.size() || (value[i] == ':' && key == "lowerdir")) {
        if (!layer.empty()) layers.emplace_back(std::exchange(layer, {}));
      } else {
        if (value[i] == '\\' && i + 1 < value.size()) ++i;
        layer += value[i];
      }
    }
  }
}

}  // namespace

std::string_view kind_without_events(std::int64_t magic) {
  constexpr std::array<std::pair<std::uint32_t, std::string_view>, 16> kinds{{{NFS_SUPER_MAGIC, "NFS"},
                                                                              {SMB_SUPER_MAGIC, "SMB"},
                                                                              {0xFF534D42, "CIFS"},
                                                                              {0xFE534D42, "SMB2"},
                                                                              {FUSE_SUPER_MAGIC, "FUSE"},
                                                                              {V9FS_MAGIC, "9p"},
                                                                              {0x00C36400, "Ceph"},
                                                                              {0x0BD00BD0, "Lustre"},
                                                                              {0x47504653, "GPFS"},
                                                                              {0x786F4256, "vboxsf"},
                                                                              {0x5346414F, "AFS"},
                                                                              {0x7461636F, "OCFS2"},
                                                                              {0x01161970, "GFS2"},
                                                                              {0x19830326, "BeeGFS"},
                                                                              {0xAAD7AAEA, "PanFS"},
                                                                              {0xBACBACBC, "vmhgfs"}}};
  for (const auto& [kind, name] : kinds) {
    if (static_cast<std::uint32_t>(magic) == kind) return name;
  }
  return {};
}

std::vector<std::filesystem::path> layers_of_overlay(std::string_view mountinfo, dev_t device) {
  const std::string number = std::to_string(major(device)) + ":" + std::to_string(minor(device));
  std::vector<std::filesystem::path> layers;
  while (!mountinfo.empty() && layers.empty()) {
    // ID parent MAJOR:MINOR root mount-point options [optional fields] - type source OPTIONS
    std::string_view line = cut(mountinfo, '\n');
    cut(line, ' ');
    cut(line, ' ');
    if (cut(line, ' ') != number) continue;
    const auto dash = line.find(" - ");
    if (dash == std::string_view::npos) continue;
    line.remove_prefix(dash + 3);
    if (cut(line, ' ') != "overlay") continue;
    cut(line, ' ');
    add_layers(line, layers);
  }
  return layers;
}

std::string kind_without_events_at(int directory) {
  struct statfs filesystem {};
  if (::fstatfs(directory, &filesystem) != 0) return {};
  if (filesystem.f_type != OVERLAYFS_SUPER_MAGIC) return std::string(kind_without_events(filesystem.f_type));
  struct stat status {};
  if (::fstat(directory, &status) != 0) return {};
  const auto mountinfo = read_file("/proc/self/mountinfo", 16 * kMiB, "mountinfo");
  if (!mountinfo) return {};
  for (const auto& layer : layers_of_overlay(*mountinfo, status.st_dev)) {
    if (::statfs(layer.c_str(), &filesystem) != 0) continue;
    if (const auto kind = kind_without_events(filesystem.f_type); !kind.empty()) {
      return "an overlay over " + std::string(kind);
    }
  }
  return {};
}

}  // namespace wal_exporter::wal
