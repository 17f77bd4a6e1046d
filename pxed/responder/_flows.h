/* What the files of `pxed.responder._flows` share. Each calls only those before it:
 *
 *     _flows_table.c    what was taught: which packets are alike, and the replies to them
 *     _flows_site.c     who the sender of a packet is, asked of the site's database
 *     _flows_thread.c   receives, looks up, sends
 *     _flows.c          what Python sees
 */

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

enum {
    BATCH = 64,       /* datagrams a system call */
    LARGEST = 4096,   /* octets of a datagram; of a longer one this much and one more is received */
    REPLY = 1472,     /* octets of a reply: one frame of Ethernet */
    FORMS = 64,       /* on one socket; a network has some dozens */
    FLOWS = 4096,     /* on one socket */
    SPANS = 32,       /* in one form */
    BUCKETS = 256,    /* of the flows of one form */
    COLLECTIONS = 64, /* of one computer */
    COUNTERS = 64,
    MAC = 6,
    GUID = 16,
};

/* Where what is the sender's own stands in every packet (RFC 2131 figure 1). */
enum { XID_AT = 4, SECS_AT = 8, CIADDR_AT = 12, CHADDR_AT = 28, HEADER = 240 };

/* Why a packet is passed up. */
enum why {
    IN_TURN,  /* there is a flow, but a few packets a second take the long way, to be told of */
    UNTAUGHT, /* no flow yet, or none that is still true */
    ALONE,    /* nobody is like this one: it goes the long way always */
    ANSWERED, /* not passed up */
};

static const int64_t SECOND = 1000000000; /* ns, as all times here */

/* ---- _flows_table.c ---------------------------------------------------------------------------------------------- */

struct span {
    uint16_t at, length;
};

struct likeness {
    uint16_t length;
    uint8_t octets[2 + 4 * COLLECTIONS];
};

struct flow {
    struct flow *next; /* in its bucket */
    uint32_t hash;
    uint16_t likeness_length, reply_length; /* a reply of no octets is silence */
    int16_t xid_at, ciaddr_at, mac_at, guid_at, relay_at; /* in the reply; -1 for nowhere */
    uint8_t counter;
    uint8_t octets[]; /* the likeness, then the reply with the sender's octets left out */
};

struct form {
    uint16_t length;
    bool asks_again; /* whether `secs` is not zero */
    bool back;       /* replies go to the sender, and not to `to` */
    struct sockaddr_in to;
    int16_t guid_at; /* -1 for nowhere */
    struct span relay;
    int spans;
    struct span common[SPANS];
    struct flow *flows[BUCKETS];
    uint8_t packet[]; /* the first one */
};

struct table {
    int forms_taught, flows_taught;
    struct form *forms[FORMS];
};

/* NULL without memory; the form is of no spans yet. */
struct form *new_form(const uint8_t *packet, size_t length);

/* NULL without memory. */
struct flow *new_flow(const uint8_t *likeness, size_t likeness_length, const uint8_t *reply, size_t reply_length);

struct form *form_of(const struct table *table, const uint8_t *packet, size_t length);
struct flow *flow_of(const struct form *form, const struct likeness *likeness);

/* Takes both over; the flow comes in place of an earlier one of the same likeness. NO_ROOM and OTHERWISE (packets of this
 * form were taught with other places) leave the table as it was. */
enum taught { TAUGHT, NO_ROOM, OTHERWISE } add_flow(struct table *table, struct form *form, struct flow *flow);

void forget_all(struct table *table);

/* Its length, at most REPLY. */
size_t make_reply(const struct form *form, const struct flow *flow, const uint8_t *packet, uint8_t *reply);

/* ---- _flows_site.c ----------------------------------------------------------------------------------------------- */

/* What all flows were decided on. */
struct ground {
    int64_t change;       /* of the site */
    int64_t since, until; /* ns of the wall clock, in which they hold */
    uint8_t (*macs)[MAC], (*guids)[GUID]; /* their bearers are like nobody else; in order */
    size_t macs_listed, guids_listed;
};

struct site {
    struct sqlite3 *database; /* NULL if it could not be opened */
    struct sqlite3_stmt *begin, *commit, *who, *of_one;
};

/* Finds the library that Python's own module uses, a file that is loaded already; false if it is of no use. */
bool find_sqlite(const char *module);

void open_site(struct site *site, const char *database, const char *who, const char *of_one);
void close_site(struct site *site);

/* What is asked between these is of one state of the site. */
void begin_reading(struct site *site);
void end_reading(struct site *site);

/* Puts lists of so many octets in order. */
void sort_listed(struct ground *ground);

/* UNTAUGHT if the site has changed since, ALONE if there is nobody like it, else ANSWERED and the likeness; `guid` may
 * be NULL. */
enum why likeness_of(struct site *site, const struct ground *ground, const uint8_t *mac, const uint8_t *guid,
                     struct likeness *likeness);

/* ---- _flows_thread.c --------------------------------------------------------------------------------------------- */

struct answering {
    int socket, up, stop; /* stop: an eventfd, which wakes the thread to see that it is `stopping` */
    char *database, *who, *of_one;
    struct rooms *rooms; /* while it runs */
    pthread_t thread;
    bool running; /* until it has been waited for */
    atomic_bool stopping;
    int64_t between; /* ns between packets that take the long way in their turn */

    pthread_mutex_t lock; /* of all below */
    struct ground ground;
    struct table table;
    struct counts {
        uint64_t heard, passed_up, lost, unsent, each[COUNTERS];
    } counts;
};

/* 0, or why not (errno). */
int start_answering(struct answering *self);

/* Returns when nothing is received any more. */
void stop_answering(struct answering *self);

#pragma GCC visibility pop
