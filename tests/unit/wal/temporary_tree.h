// A directory tree of a test, removed at its end.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace wal_exporter::wal {

class TemporaryTree {
 public:
  TemporaryTree() {
    std::string name = (std::filesystem::temp_directory_path() / "wal_exporter-wal-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) ADD_FAILURE() << "no temporary directory";
    root_ = name;
  }
  ~TemporaryTree() {
    std::error_code ignored;
    if (!forbidden_.empty()) std::filesystem::permissions(forbidden_, std::filesystem::perms(0700), ignored);
    std::filesystem::remove_all(root_, ignored);
  }
  TemporaryTree(const TemporaryTree&) = delete;
  TemporaryTree& operator=(const TemporaryTree&) = delete;

  [[nodiscard]] const std::filesystem::path& root() const { return root_; }
  std::filesystem::path write(const std::string& path, const std::string& content) const {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path, std::ios::binary) << content;
    return root_ / path;
  }
  // Takes all rights to `folder` away, and lets others enter the root.
  void forbid(const std::string& folder) {
    std::filesystem::permissions(root_, std::filesystem::perms(0755));
    forbidden_ = root_ / folder;
    std::filesystem::permissions(forbidden_, std::filesystem::perms(0));
  }

 private:
  std::filesystem::path root_;
  std::filesystem::path forbidden_;
};

}  // namespace wal_exporter::wal
