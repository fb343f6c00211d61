// What passes are expected to cost, on invented times, and the folder that keeps it.
#include "runner.h"

#include "speculation/cost_folder.h"
#include "speculation/pass_cost.h"

#include <cmath>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

using chq::cost_folder;
using chq::pass_cost;

namespace fs = std::filesystem;

namespace {

struct temporary_folder {
    const fs::path path = fs::temp_directory_path() / ("chq-costs-" + std::to_string(std::random_device()()));
    ~temporary_folder() { fs::remove_all(path); }

    std::vector<fs::path> files() const {
        std::vector<fs::path> files;
        for (const fs::directory_entry & entry : fs::directory_iterator(path)) {
            files.push_back(entry.path());
        }
        return files;
    }
};

pass_cost some_costs(double plain) {
    pass_cost c;
    for (int rows : { 1, 4, 8 }) {
        c.record(rows, plain * (1 + 0.1 * rows));
    }
    return c;
}

} // namespace

TEST(nothing_is_known_at_first) {
    pass_cost c;
    CHECK_EQ(c.of(1), 0.0);
    CHECK_EQ(c.of(16), 0.0);
}

TEST(costs_between_measured_sizes_lie_on_a_line) {
    pass_cost c;
    c.record(2, 1.0);
    c.record(6, 3.0);
    CHECK_EQ(c.of(2), 1.0);
    CHECK_EQ(c.of(4), 2.0);
    CHECK_EQ(c.of(6), 3.0);
}

TEST(costs_beyond_them_grow_with_the_rows) {
    pass_cost c;
    c.record(4, 1.0);
    for (int rows = 2; rows <= pass_cost::MOST; rows++) {
        CHECK(c.of(rows) > c.of(rows - 1));
    }
}

TEST(a_first_pass_that_was_slow_is_forgotten_and_a_lasting_change_followed) {
    pass_cost c;
    c.record(8, 10.0);
    c.record(8, 1.0);
    CHECK_EQ(c.of(8), 1.0);
    for (int i = 0; i < 100; i++) {
        c.record(8, 2.0);
    }
    CHECK(std::fabs(c.of(8) - 2.0) < 0.01);
    c.record(8, 1000.0); // the machine was asleep
    CHECK(c.of(8) < 2.5);
}

// Guesses of 8 rows are judged against plain steps that were measured when the machine was faster.
TEST(a_slower_machine_makes_all_sizes_slower) {
    pass_cost c;
    for (int i = 0; i < 10; i++) {
        c.record(1, 1.0);
        c.record(8, 1.5);
    }
    for (int i = 0; i < 20; i++) {
        c.record(8, 3.0);
    }
    CHECK(c.of(1) > 1.5);
    for (int i = 0; i < 100; i++) {
        c.record(8, 3.0);
        c.record(1, 1.0); // it was these passes after all
    }
    CHECK(std::fabs(c.of(8) / c.of(1) - 3) < 0.1);
}

TEST(sizes_out_of_range_are_ignored) {
    pass_cost c;
    c.record(0, 1.0);
    c.record(17, 1.0);
    CHECK_EQ(c.of(1), 0.0);
}

TEST(costs_are_there_again_for_the_same_key) {
    const temporary_folder folder;
    const cost_folder here(folder.path / "deep", 7);
    here.save({ { 1, some_costs(2) }, { 2, some_costs(1) }, { 3, pass_cost() } });
    std::map<int32_t, pass_cost> costs;
    costs[2].record(1, 5.0);
    cost_folder(folder.path / "deep", 7).load(costs);
    CHECK_EQ(costs.size(), (size_t) 2);
    for (int rows = 1; rows <= pass_cost::MOST; rows++) {
        CHECK_EQ(costs[1].of(rows), some_costs(2).of(rows));
    }
    CHECK_EQ(costs[2].of(1), 5.0); // what was measured in this program counts
    CHECK_EQ(costs[2].measured(8), 0.0);

    costs[1].record(8, 10.0); // and goes on from there
    CHECK(costs[1].of(8) > some_costs(2).of(8));

    std::map<int32_t, pass_cost> none;
    cost_folder(folder.path / "deep", 8).load(none);
    cost_folder(folder.path / "elsewhere", 7).load(none);
    CHECK(none.empty());
}

TEST(damaged_files_are_ignored) {
    const temporary_folder folder;
    const cost_folder here(folder.path, 7);
    here.save({ { 2, some_costs(1) } });
    const fs::path file = folder.files().at(0);
    std::ifstream in(file, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    const auto loads = [&](const std::string & content) {
        std::ofstream(file, std::ios::binary) << content;
        std::map<int32_t, pass_cost> costs;
        here.load(costs);
        return !costs.empty();
    };
    CHECK(loads(bytes));
    for (size_t i = 0; i < bytes.size(); i++) {
        std::string damaged = bytes;
        damaged[i] = (char) (damaged[i] + 1);
        CHECK(!loads(damaged));
        CHECK(!loads(bytes.substr(0, i)));
    }
    CHECK(!loads(bytes + bytes));
    CHECK(!loads(std::string(1 << 20, 'x')));
    here.save({ { 2, some_costs(1) } }); // replaces it
    std::map<int32_t, pass_cost> costs;
    here.load(costs);
    CHECK_EQ(costs[2].of(4), some_costs(1).of(4));
    CHECK_EQ(folder.files().size(), (size_t) 1);
}

TEST(a_folder_keeps_the_newest_files) {
    const temporary_folder folder;
    for (uint64_t key = 0; key < 100; key++) {
        cost_folder(folder.path, key).save({ { 1, some_costs((double) key + 1) } });
    }
    CHECK_EQ(folder.files().size(), cost_folder::MOST_FILES);
    std::map<int32_t, pass_cost> costs;
    cost_folder(folder.path, 99).load(costs);
    CHECK_EQ(costs[1].of(1), some_costs(100).of(1));
}

TEST(a_folder_that_cannot_be_used_changes_nothing) {
    const temporary_folder folder;
    fs::create_directories(folder.path);
    std::ofstream(folder.path / "file") << "no folder";
    const cost_folder here(folder.path / "file", 1);
    here.save({ { 1, some_costs(1) } });
    std::map<int32_t, pass_cost> costs;
    here.load(costs);
    CHECK(costs.empty());
    CHECK_EQ(folder.files().size(), (size_t) 1);
}

MAIN
