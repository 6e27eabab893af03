// To be preloaded: refuses a process one block of memory, the one with the number in FAIL_AT (or aborts there, as the C library
// does for some of its own, where FAIL_BY_ABORT is set), and says in the file COUNT_TO how many it
// has asked for. Of the GNU C library alone: that one gives its own functions under second names.
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
static atomic_long made, fail_at;
static int aborts;

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("FAIL_AT");
    atomic_store(&made, 0);
    atomic_store(&fail_at, text ? atol(text) : 0);
    aborts = getenv("FAIL_BY_ABORT") != NULL;
}
__attribute__((destructor)) static void end(void) {
    const char *path = getenv("COUNT_TO");
    long count = atomic_load(&made);
    atomic_store(&fail_at, 0);
    FILE *file = path ? fopen(path, "w") : NULL;
    if (file) {
        fprintf(file, "%ld", count);
        fclose(file);
    }
}
static int fails(void) {
    long number = atomic_fetch_add(&made, 1) + 1;
    if (number != atomic_load(&fail_at)) return 0;
    if (aborts) abort();
    errno = ENOMEM;
    return 1;
}
void *malloc(size_t size) { return fails() ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return fails() ? NULL : __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { return fails() ? NULL : __libc_realloc(old, size); }
void *aligned_alloc(size_t align, size_t size) { return fails() ? NULL : __libc_memalign(align, size); }
int posix_memalign(void **to, size_t align, size_t size) {
    if (fails()) return ENOMEM;
    *to = __libc_memalign(align, size);
    return *to ? 0 : ENOMEM;
}
