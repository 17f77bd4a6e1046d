/* Who is it: the site's database as the thread asks it.
 *
 * SQLite is the library that Python's own module uses, and no other: a second copy in one process would drop the first
 * one's locks when it closes the file (https://www.sqlite.org/howtocorrupt.html section 2.2.1).
 */

#define _GNU_SOURCE
#include "_flows.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

typedef struct sqlite3 sqlite3;
typedef struct sqlite3_stmt sqlite3_stmt;
enum { SQLITE_OK = 0, SQLITE_ROW = 100, SQLITE_DONE = 101, SQLITE_NULL = 5 };
enum { SQLITE_OPEN_READWRITE = 0x2, SQLITE_OPEN_NOMUTEX = 0x8000 };

struct sqlite {
    int (*threadsafe)(void);
    int (*open_v2)(const char *, sqlite3 **, int, const char *);
    int (*close)(sqlite3 *);
    int (*exec)(sqlite3 *, const char *, int (*)(void *, int, char **, char **), void *, char **);
    int (*prepare_v2)(sqlite3 *, const char *, int, sqlite3_stmt **, const char **);
    int (*finalize)(sqlite3_stmt *);
    int (*bind_text)(sqlite3_stmt *, int, const char *, int, void (*)(void *));
    int (*bind_null)(sqlite3_stmt *, int);
    int (*bind_int64)(sqlite3_stmt *, int, int64_t);
    int (*step)(sqlite3_stmt *);
    int (*reset)(sqlite3_stmt *);
    int (*column_type)(sqlite3_stmt *, int);
    int64_t (*column_int64)(sqlite3_stmt *, int);
};

static struct sqlite sqlite; /* found once: threads may be using it */

bool find_sqlite(const char *module)
{
    struct sqlite there;
    void *library = dlopen(module[0] ? module : NULL, RTLD_LAZY | RTLD_NOLOAD);
    if (library == NULL)
        return false;
#define FIND(name) ((*(void **)&there.name = dlsym(library, "sqlite3_" #name)) != NULL)
    bool found = FIND(threadsafe) && FIND(open_v2) && FIND(close) && FIND(exec) && FIND(prepare_v2) &&
                 FIND(finalize) && FIND(bind_text) && FIND(bind_null) && FIND(bind_int64) && FIND(step) &&
                 FIND(reset) && FIND(column_type) && FIND(column_int64);
#undef FIND
    dlclose(library); /* Python keeps it loaded */
    found = found && there.threadsafe(); /* one built without mutexes is for a single thread, whatever it opens */
    if (found && sqlite.open_v2 == NULL)
        sqlite = there;
    return found;
}

void close_site(struct site *site)
{
    sqlite.finalize(site->begin);
    sqlite.finalize(site->commit);
    sqlite.finalize(site->who);
    sqlite.finalize(site->of_one);
    sqlite.close(site->database);
    memset(site, 0, sizeof *site);
}

void open_site(struct site *site, const char *database, const char *who, const char *of_one)
{
    memset(site, 0, sizeof *site);
    /* not SQLITE_OPEN_READONLY: a reader takes part in WAL's shared memory; the thread writes nothing */
    if (sqlite.open_v2(database, &site->database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK &&
        sqlite.exec(site->database, "PRAGMA query_only = ON; PRAGMA cache_size = -8192", NULL, NULL, NULL) ==
            SQLITE_OK &&
        sqlite.prepare_v2(site->database, "BEGIN", -1, &site->begin, NULL) == SQLITE_OK &&
        sqlite.prepare_v2(site->database, "COMMIT", -1, &site->commit, NULL) == SQLITE_OK &&
        sqlite.prepare_v2(site->database, who, -1, &site->who, NULL) == SQLITE_OK &&
        sqlite.prepare_v2(site->database, of_one, -1, &site->of_one, NULL) == SQLITE_OK)
        return;
    close_site(site);
}

static void run(sqlite3_stmt *statement)
{
    if (statement != NULL) {
        sqlite.step(statement);
        sqlite.reset(statement);
    }
}

void begin_reading(struct site *site)
{
    run(site->begin);
}

void end_reading(struct site *site)
{
    run(site->commit);
}

static int by_mac(const void *one, const void *other)
{
    return memcmp(one, other, MAC);
}

static int by_guid(const void *one, const void *other)
{
    return memcmp(one, other, GUID);
}

void sort_listed(struct ground *ground)
{
    qsort(ground->macs, ground->macs_listed, MAC, by_mac);
    qsort(ground->guids, ground->guids_listed, GUID, by_guid);
}

static char *hex(char *to, const uint8_t *octets, int count)
{
    for (int i = 0; i < count; i++) {
        *to++ = "0123456789abcdef"[octets[i] >> 4];
        *to++ = "0123456789abcdef"[octets[i] & 15];
    }
    return to;
}

/* As the site has MAC addresses: 17 characters. */
static void mac_text(char *to, const uint8_t *mac)
{
    for (int i = 0; i < MAC; i++) {
        to = hex(to, mac + i, 1);
        *to++ = ':';
    }
}

/* As the site has GUIDs: 36 characters. */
static void guid_text(char *to, const uint8_t *guid)
{
    static const int groups[] = {4, 2, 2, 2, 6};
    for (int i = 0; i < 5; guid += groups[i], i++) {
        to = hex(to, guid, groups[i]);
        *to++ = '-';
    }
}

/* The first three fields in the other byte order, in which firmware and tools disagree. */
static void swapped(uint8_t *to, const uint8_t *guid)
{
    static const uint8_t from[GUID] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    for (int i = 0; i < GUID; i++)
        to[i] = guid[from[i]];
}

/* The likeness of a known computer: what it is known by, whether it is protected, its collections. */
static bool likeness_of_known(struct site *site, int64_t computer, int known_by, struct likeness *likeness)
{
    sqlite.bind_int64(site->of_one, 1, computer);
    likeness->length = 0;
    int stepped;
    bool alone = false;
    while ((stepped = sqlite.step(site->of_one)) == SQLITE_ROW && !alone) { /* a row for each collection */
        if (likeness->length == 0) {
            alone = sqlite.column_int64(site->of_one, 1) != 0; /* it has PXE records */
            likeness->octets[likeness->length++] = (uint8_t)known_by;
            likeness->octets[likeness->length++] = sqlite.column_int64(site->of_one, 0) != 0;
        }
        if (sqlite.column_type(site->of_one, 2) == SQLITE_NULL)
            continue;
        if (likeness->length + 4u > sizeof likeness->octets) {
            alone = true;
            break;
        }
        uint32_t collection = (uint32_t)sqlite.column_int64(site->of_one, 2);
        for (int i = 0; i < 4; i++)
            likeness->octets[likeness->length++] = (uint8_t)(collection >> 8 * i);
    }
    sqlite.reset(site->of_one);
    return !alone && stepped == SQLITE_DONE && likeness->length > 0;
}

enum why likeness_of(struct site *site, const struct ground *ground, const uint8_t *mac, const uint8_t *guid,
                     struct likeness *likeness)
{
    static const uint8_t no_mac[MAC];
    if (memcmp(mac, no_mac, MAC) == 0 || bsearch(mac, ground->macs, ground->macs_listed, MAC, by_mac) ||
        (guid && bsearch(guid, ground->guids, ground->guids_listed, GUID, by_guid)))
        return ALONE;

    char address[18], texts[2][37];
    mac_text(address, mac);
    sqlite.bind_text(site->who, 1, address, 17, NULL);
    if (guid) {
        uint8_t other[GUID];
        swapped(other, guid);
        guid_text(texts[0], guid);
        guid_text(texts[1], other);
        sqlite.bind_text(site->who, 2, texts[0], 36, NULL);
        sqlite.bind_text(site->who, 3, texts[1], 36, NULL);
    } else {
        sqlite.bind_null(site->who, 2);
        sqlite.bind_null(site->who, 3);
    }
    sqlite.bind_text(site->who, 4, address, 17, NULL);

    enum why why = ALONE;
    int64_t computer = 0;
    int known_by = 0; /* 1: MAC address, 2: GUID */
    if (sqlite.step(site->who) == SQLITE_ROW) {
        why = sqlite.column_int64(site->who, 0) == ground->change ? ANSWERED : UNTAUGHT;
        for (int column = 1; column <= 3; column++) {
            if (sqlite.column_type(site->who, column) == SQLITE_NULL)
                continue;
            int64_t owner = sqlite.column_int64(site->who, column);
            if (known_by && owner != computer && why == ANSWERED)
                why = ALONE; /* a conflict */
            computer = owner;
            known_by |= column == 1 ? 1 : 2;
        }
        if (why == ANSWERED && !known_by && sqlite.column_int64(site->who, 4))
            why = ALONE; /* not known, and has PXE records */
    }
    sqlite.reset(site->who);
    likeness->length = 0;
    if (why == ANSWERED && known_by && !likeness_of_known(site, computer, known_by, likeness))
        why = ALONE;
    return why;
}
