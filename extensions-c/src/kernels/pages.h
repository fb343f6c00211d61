// Memory in whole pages, large ones where the system has them: a matrix is read from end to end for every token.
#pragma once

#include <cstddef>

namespace chq::kernels {

size_t page_bytes();

// At least `size` bytes; NULL if there are none. give_pages_back takes the same size.
void * take_pages(size_t size);
void   give_pages_back(void * memory, size_t size);

// Whether map_file can work here.
bool can_map_files();

// Where large pages begin, in memory and in files alike: the bytes between a place and the last such.
constexpr size_t LARGE_PAGE = 2 << 20;

// Puts `size` bytes of a file from `offset` on, where a page begins, in the place of taken pages, up to the end of the last one, as a private copy. `at` is where a page
// begins. False leaves the pages as if just taken.
bool map_file(void * at, size_t size, int file, size_t offset);

// Makes pages that map_file replaced plain memory again, with any content.
bool unmap_file(void * at, size_t size);

} // namespace chq::kernels
