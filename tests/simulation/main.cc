// The simulation as a program: a run from one seed, or the runs that are tests.
//
// Prints what was run, and for a run that breaks an invariant the command that repeats
// it; ends with 1 then, with 2 where it is called wrongly.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "invariants.h"
#include "world.h"

namespace {

using namespace std::chrono_literals;
using wal_exporter::simulation::World;

struct Totals {
  std::uint64_t runs = 0;
  double days = 0;
  std::uint64_t steps = 0;
  std::uint64_t checks = 0;
  std::uint64_t checkpoints = 0;
  std::uint64_t restarts = 0;
  std::uint64_t kills = 0;
  std::uint64_t calms = 0;
  std::uint64_t probes = 0;
  std::uint64_t promises = 0;
  std::int64_t most_blocks = 0;
  std::int64_t most_bytes = 0;
  std::uint64_t failed = 0;
};

// Whether every invariant held.
bool run(std::uint64_t seed, double days, bool prints, Totals& totals) {
  World world(seed, prints);
  bool held = true;
  try {
    world.run(
        std::chrono::duration_cast<wal_exporter::Duration>(std::chrono::duration<double, std::ratio<86400>>(days)));
  } catch (const std::exception& broken) {
    held = false;
    std::cout << "seed " << seed << ": " << broken.what() << "\n  repeat with: tests/simulate --seed " << seed
              << " --days " << days << " --log" << std::endl;
  }
  ++totals.runs;
  totals.days += days;
  totals.steps += world.exporter().steps();
  totals.checkpoints += world.exporter().runs();
  totals.restarts += world.exporter().restarts();
  totals.kills += world.exporter().kills();
  const auto& invariants = world.invariants();
  totals.checks += invariants.checks();
  totals.calms += invariants.liveness_checked();
  totals.probes += invariants.probes();
  totals.promises += invariants.promises();
  totals.most_blocks = std::max(totals.most_blocks, invariants.most_held().blocks);
  totals.most_bytes = std::max(totals.most_bytes, invariants.most_held().bytes);
  if (!held) ++totals.failed;
  std::printf("%s", prints ? "" : "");
  if (prints || totals.runs == 1)
    std::cout << "seed " << seed << ": hash " << std::hex << world.hash() << std::dec << '\n';
  return held;
}

void print(const Totals& totals, double seconds) {
  std::cout << totals.runs << " runs, " << totals.days << " days in " << seconds << " s: " << totals.steps << " steps, "
            << totals.checkpoints << " checkpoints, " << totals.restarts << " restarts, " << totals.kills << " kills, "
            << totals.calms << " calms, " << totals.probes << " probes, " << totals.promises << " promises, at most "
            << totals.most_blocks << " blocks and " << totals.most_bytes << " bytes held, " << totals.failed
            << " failed" << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Runs the exporter's control against models of InfluxDB, disks, clocks and people.");
  std::uint64_t seed = 1;
  std::uint64_t runs = 1;
  double days = 10;
  bool prints = false;
  std::string seeds;
  app.add_option("--seed", seed, "the first seed");
  app.add_option("--runs", runs, "how many seeds from there on");
  app.add_option("--days", days, "simulated days of each run");
  app.add_option("--seeds", seeds, "a file with one seed and its days a line, which are run first");
  app.add_flag("--log", prints, "print everything that happens");
  CLI11_PARSE(app, argc, argv);

  const auto begin = std::chrono::steady_clock::now();
  Totals totals;
  bool held = true;
  if (!seeds.empty()) {
    std::ifstream file(seeds);
    if (!file) {
      std::cerr << "cannot open " << seeds << '\n';
      return 2;
    }
    for (std::string line; std::getline(file, line);) {
      std::istringstream words(line.substr(0, line.find('#')));
      std::uint64_t kept = 0;
      double length = 0;
      if (words >> kept >> length) held = run(kept, length, prints, totals) && held;
    }
  }
  for (std::uint64_t i = 0; i < runs; ++i) held = run(seed + i, days, prints, totals) && held;
  print(totals, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  return held ? 0 : 1;
}
