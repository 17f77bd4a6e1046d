/* Answers a flood of packets whose answers are known.
 *
 * A flow is what `Responder` answered to a packet, kept for all that are alike: those of one form (the same octets but
 * for what is each sender's own) from computers of one likeness (known by the same evidence, in the same collections;
 * or all that are not known). A thread receives on one socket, and for each packet
 *
 *     form of the packet -> who is it (two statements on the site) -> likeness -> flow -> reply
 *
 * It decides nothing and reads no option: where a form has its sender's octets, who is alike, and what the answer is, it
 * was taught. A packet at which any of these steps finds nothing is passed up, over a socket pair, to be answered in the
 * long way. The site's change number comes with each answer of the database, so a flow never outlives what it was
 * decided on.
 *
 * All memory is bounded; the thread holds no lock of Python's, and Python waits for it for a batch at most.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

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
    UP_HEAD = 7, /* octets before a packet that is passed up: why, and the sender's address and port */
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

/* How long the thread stays awake after a packet: about what falling asleep and being woken takes, so that it costs at
 * most twice what the better of both would have. Whoever else wants the processor gets it meanwhile. */
static const int64_t VIGIL = 25000;

/* ---- SQLite -----------------------------------------------------------------------------------------------------
 * The library that Python's own module uses, and no other: a second copy in one process would drop the first one's
 * locks when it closes the file (https://www.sqlite.org/howtocorrupt.html section 2.2.1). */

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

static bool find_sqlite(const char *module)
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

/* ---- forms and flows --------------------------------------------------------------------------------------------- */

struct span {
    uint16_t at, length;
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

struct likeness {
    uint16_t length;
    uint8_t octets[2 + 4 * COLLECTIONS];
};

typedef struct {
    PyObject_HEAD
    int socket, up, stop; /* stop: an eventfd, which wakes the thread to see that it is `stopping` */
    char *database, *who, *of_one;
    struct rooms *rooms; /* while it runs */
    pthread_t thread;
    bool running; /* until it has been waited for */
    atomic_bool stopping;
    int64_t between; /* ns between packets that take the long way in their turn */

    pthread_mutex_t lock; /* of all below */
    int64_t change;       /* of the site, on which all flows were decided */
    int64_t since, until; /* ns of the wall clock, in which they hold */
    int forms_taught, flows_taught;
    struct form *forms[FORMS];
    uint8_t (*macs)[MAC], (*guids)[GUID]; /* listed: their bearers are like nobody else; in order */
    size_t macs_listed, guids_listed;
    uint64_t heard, passed_up, lost, unsent, counted[COUNTERS];
} Flows;

/* From Python's seconds; nothing later than the year 2116, so that two of them can be added. */
static int64_t nanoseconds(double seconds)
{
    static const double most = 4.6e9;
    return (int64_t)((seconds > 0 ? seconds < most ? seconds : most : 0) * 1e9);
}

static uint32_t hash_of(const uint8_t *octets, size_t length)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ octets[i]) * 16777619u;
    return hash;
}

static bool asks_again(const uint8_t *packet)
{
    return packet[SECS_AT] || packet[SECS_AT + 1];
}

static struct form *form_of(Flows *self, const uint8_t *packet, size_t length)
{
    for (int i = 0; i < self->forms_taught; i++) {
        struct form *form = self->forms[i];
        if (form->length != length || form->asks_again != asks_again(packet))
            continue;
        int same = 0;
        while (same < form->spans && memcmp(packet + form->common[same].at, form->packet + form->common[same].at,
                                            form->common[same].length) == 0)
            same++;
        if (same == form->spans)
            return form;
    }
    return NULL;
}

static bool is_of(const struct flow *flow, uint32_t hash, const uint8_t *likeness, size_t length)
{
    return flow->hash == hash && flow->likeness_length == length && memcmp(flow->octets, likeness, length) == 0;
}

static struct flow *flow_of(const struct form *form, const struct likeness *likeness)
{
    uint32_t hash = hash_of(likeness->octets, likeness->length);
    struct flow *flow = form->flows[hash % BUCKETS];
    while (flow != NULL && !is_of(flow, hash, likeness->octets, likeness->length))
        flow = flow->next;
    return flow;
}

static void forget_all(Flows *self)
{
    for (int i = 0; i < self->forms_taught; i++) {
        for (int bucket = 0; bucket < BUCKETS; bucket++)
            for (struct flow *flow = self->forms[i]->flows[bucket], *next; flow != NULL; flow = next) {
                next = flow->next;
                free(flow);
            }
        free(self->forms[i]);
    }
    self->forms_taught = self->flows_taught = 0;
}

static int by_mac(const void *one, const void *other)
{
    return memcmp(one, other, MAC);
}

static int by_guid(const void *one, const void *other)
{
    return memcmp(one, other, GUID);
}

static void copy_if(uint8_t *reply, int at, const uint8_t *from, size_t length)
{
    if (at >= 0)
        memcpy(reply + at, from, length);
}

static size_t make_reply(const struct form *form, const struct flow *flow, const uint8_t *packet, uint8_t *reply)
{
    memcpy(reply, flow->octets + flow->likeness_length, flow->reply_length);
    copy_if(reply, flow->xid_at, packet + XID_AT, 4);
    copy_if(reply, flow->ciaddr_at, packet + CIADDR_AT, 4);
    copy_if(reply, flow->mac_at, packet + CHADDR_AT, MAC);
    if (form->guid_at >= 0)
        copy_if(reply, flow->guid_at, packet + form->guid_at, GUID);
    copy_if(reply, flow->relay_at, packet + form->relay.at, form->relay.length);
    return flow->reply_length;
}

/* ---- who is it ---------------------------------------------------------------------------------------------------- */

struct site {
    sqlite3 *database;
    sqlite3_stmt *begin, *commit, *who, *of_one;
};

static void close_site(struct site *site)
{
    sqlite.finalize(site->begin);
    sqlite.finalize(site->commit);
    sqlite.finalize(site->who);
    sqlite.finalize(site->of_one);
    sqlite.close(site->database);
    memset(site, 0, sizeof *site);
}

/* `database` is NULL if it cannot be opened. */
static void open_site(struct site *site, const Flows *self)
{
    memset(site, 0, sizeof *site);
    /* not SQLITE_OPEN_READONLY: a reader takes part in WAL's shared memory; the thread writes nothing */
    if (sqlite.open_v2(self->database, &site->database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) ==
            SQLITE_OK &&
        sqlite.exec(site->database, "PRAGMA query_only = ON; PRAGMA cache_size = -8192", NULL, NULL, NULL) ==
            SQLITE_OK &&
        sqlite.prepare_v2(site->database, "BEGIN", -1, &site->begin, NULL) == SQLITE_OK &&
        sqlite.prepare_v2(site->database, "COMMIT", -1, &site->commit, NULL) == SQLITE_OK &&
        sqlite.prepare_v2(site->database, self->who, -1, &site->who, NULL) == SQLITE_OK &&
        sqlite.prepare_v2(site->database, self->of_one, -1, &site->of_one, NULL) == SQLITE_OK)
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

/* UNTAUGHT if the site has changed since, ALONE if there is nobody like it, else ANSWERED and the likeness. */
static enum why likeness_of(const Flows *self, struct site *site, const struct form *form, const uint8_t *packet,
                            struct likeness *likeness)
{
    static const uint8_t no_mac[MAC];
    const uint8_t *mac = packet + CHADDR_AT, *guid = form->guid_at >= 0 ? packet + form->guid_at : NULL;
    if (memcmp(mac, no_mac, MAC) == 0 || bsearch(mac, self->macs, self->macs_listed, MAC, by_mac) ||
        (guid && bsearch(guid, self->guids, self->guids_listed, GUID, by_guid)))
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
        why = sqlite.column_int64(site->who, 0) == self->change ? ANSWERED : UNTAUGHT;
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

/* ---- the thread --------------------------------------------------------------------------------------------------- */

struct slots {
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    struct sockaddr_in names[BATCH];
};

static void prepare(struct slots *slots, uint8_t *room, size_t each)
{
    memset(slots, 0, sizeof *slots);
    for (int i = 0; i < BATCH; i++) {
        slots->parts[i] = (struct iovec){room + i * each, each};
        slots->messages[i].msg_hdr = (struct msghdr){
            .msg_name = &slots->names[i],
            .msg_namelen = sizeof slots->names[i],
            .msg_iov = &slots->parts[i],
            .msg_iovlen = 1,
        };
    }
}

static int64_t now_by(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * SECOND + time.tv_nsec;
}

static void pass_up(Flows *self, enum why why, const struct sockaddr_in *from, const uint8_t *packet, size_t length)
{
    uint8_t head[UP_HEAD] = {why};
    memcpy(head + 1, &from->sin_addr, 4);
    memcpy(head + 5, &from->sin_port, 2);
    struct iovec parts[] = {{head, sizeof head}, {(void *)packet, length}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    if (sendmsg(self->up, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        self->lost++; /* more than can be answered: as if the socket's buffer had been full */
    else
        self->passed_up++;
}

static enum why find(Flows *self, struct site *site, const uint8_t *packet, size_t length, struct form **form,
                     struct flow **flow)
{
    *form = length >= HEADER ? form_of(self, packet, length) : NULL;
    if (*form == NULL)
        return UNTAUGHT;
    if (site->database == NULL)
        return ALONE;
    struct likeness likeness;
    enum why why = likeness_of(self, site, *form, packet, &likeness);
    if (why != ANSWERED)
        return why;
    *flow = flow_of(*form, &likeness);
    return *flow ? ANSWERED : UNTAUGHT;
}

/* Fills `sending` with the replies there are to what was received; how many. What has none yet is passed up. */
static unsigned answer(Flows *self, struct site *site, const struct slots *received, int count, struct slots *sending,
                       int64_t *next_turn)
{
    int64_t wall = now_by(CLOCK_REALTIME), now = now_by(CLOCK_MONOTONIC);
    bool held = self->since <= wall && wall < self->until;
    unsigned replies = 0;
    run(site->begin); /* all of a batch is of one state of the site */
    for (int i = 0; i < count; i++) {
        const uint8_t *packet = received->parts[i].iov_base;
        size_t length = received->messages[i].msg_len;
        struct form *form = NULL;
        struct flow *flow = NULL;
        enum why why = held ? find(self, site, packet, length, &form, &flow) : UNTAUGHT;
        if (why == ANSWERED && now >= *next_turn) {
            why = IN_TURN;
            *next_turn = now + self->between;
        }
        if (why != ANSWERED) {
            pass_up(self, why, &received->names[i], packet, length);
            continue;
        }
        self->counted[flow->counter]++;
        if (flow->reply_length == 0)
            continue;
        sending->parts[replies].iov_len = make_reply(form, flow, packet, sending->parts[replies].iov_base);
        sending->names[replies] = form->back ? received->names[i] : form->to;
        replies++;
    }
    run(site->commit);
    self->heard += (unsigned)count;
    return replies;
}

struct rooms {
    struct slots received, sending;
    uint8_t in[BATCH][LARGEST + 1], out[BATCH][REPLY];
};

static void *serve(void *argument)
{
    Flows *self = argument;
    struct site site;
    struct rooms *rooms = self->rooms;
    prepare(&rooms->received, rooms->in[0], sizeof rooms->in[0]);
    prepare(&rooms->sending, rooms->out[0], sizeof rooms->out[0]);
    open_site(&site, self);
    int64_t next_turn = 0, awake_until = 0, next_try = now_by(CLOCK_MONOTONIC) + SECOND;
    struct pollfd waiting[] = {{.fd = self->socket, .events = POLLIN}, {.fd = self->stop, .events = POLLIN}};
    for (;;) {
        if (now_by(CLOCK_MONOTONIC) >= awake_until)
            poll(waiting, 2, -1);
        else
            sched_yield();
        if (atomic_load(&self->stopping) || waiting[0].revents & POLLNVAL)
            break;
        for (int i = 0; i < BATCH; i++)
            rooms->received.messages[i].msg_hdr.msg_namelen = sizeof(struct sockaddr_in);
        int count = recvmmsg(self->socket, rooms->received.messages, BATCH, MSG_DONTWAIT, NULL);
        if (count <= 0)
            continue; /* an ICMP error for an earlier datagram: that client's trouble */
        if (site.database == NULL && now_by(CLOCK_MONOTONIC) >= next_try) { /* it may be locked, or not there yet */
            open_site(&site, self);
            next_try = now_by(CLOCK_MONOTONIC) + SECOND;
        }
        pthread_mutex_lock(&self->lock);
        unsigned replies = answer(self, &site, &rooms->received, count, &rooms->sending, &next_turn);
        if (replies) /* for what takes the long way the processor is needed elsewhere */
            awake_until = now_by(CLOCK_MONOTONIC) + VIGIL;
        pthread_mutex_unlock(&self->lock);
        for (unsigned done = 0; done < replies;) {
            int sent = sendmmsg(self->socket, rooms->sending.messages + done, replies - done, 0);
            if (sent <= 0) { /* full buffer or no route for the one at `done` */
                pthread_mutex_lock(&self->lock);
                self->unsent++;
                pthread_mutex_unlock(&self->lock);
                sent = 1;
            }
            done += (unsigned)sent;
        }
    }
    close_site(&site);
    return NULL;
}

/* ---- what Python sees --------------------------------------------------------------------------------------------- */

/* Without the interpreter from before the lock is taken until after it is given back: whoever held the lock and waited
 * for the interpreter would keep the thread from answering meanwhile. */
static PyThreadState *lock(Flows *self)
{
    PyThreadState *state = PyEval_SaveThread();
    pthread_mutex_lock(&self->lock);
    return state;
}

static void unlock(Flows *self, PyThreadState *state)
{
    pthread_mutex_unlock(&self->lock);
    PyEval_RestoreThread(state);
}

static void flows_dealloc(PyObject *object);

/* Not in __init__: what is half made, or made twice, is never seen. */
static PyObject *flows_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"socket", "up", "library", "database", "who", "of_one", NULL};
    const char *library, *database, *who, *of_one;
    int socket, up;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "iissss", names, &socket, &up, &library, &database, &who,
                                     &of_one))
        return NULL;
    if (!find_sqlite(library)) {
        PyErr_SetString(PyExc_OSError, "no SQLite library for several threads there");
        return NULL;
    }
    Flows *self = (Flows *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    pthread_mutex_init(&self->lock, NULL);
    self->socket = socket;
    self->up = up;
    self->database = strdup(database);
    self->who = strdup(who);
    self->of_one = strdup(of_one);
    self->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->stop < 0)
        PyErr_SetFromErrno(PyExc_OSError);
    else if (!self->database || !self->who || !self->of_one)
        PyErr_NoMemory();
    else
        return (PyObject *)self;
    Py_DECREF(self);
    return NULL;
}

PyDoc_STRVAR(start_doc, "start(between)\n--\n\nBegins to receive; a packet takes the long way every `between` seconds.");

static PyObject *flows_start(Flows *self, PyObject *argument)
{
    double between = PyFloat_AsDouble(argument);
    if (PyErr_Occurred())
        return NULL;
    if (self->running)
        Py_RETURN_NONE;
    self->rooms = malloc(sizeof *self->rooms);
    if (self->rooms == NULL)
        return PyErr_NoMemory();
    self->between = nanoseconds(between);
    /* signals are for Python's main thread */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    errno = pthread_create(&self->thread, NULL, serve, self);
    int failed = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        free(self->rooms);
        self->rooms = NULL;
        errno = failed;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    self->running = true;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(stop_doc, "stop()\n--\n\nReturns when nothing is received any more; what was taught is kept.");

static PyObject *flows_stop(Flows *self, PyObject *nothing)
{
    (void)nothing;
    if (self->running && !atomic_exchange(&self->stopping, true)) {
        eventfd_t value;
        eventfd_write(self->stop, 1);
        Py_BEGIN_ALLOW_THREADS
        pthread_join(self->thread, NULL);
        Py_END_ALLOW_THREADS
        eventfd_read(self->stop, &value);
        free(self->rooms);
        self->rooms = NULL;
        self->running = self->stopping = false;
    }
    Py_RETURN_NONE;
}

static void *copy_of(const void *octets, Py_ssize_t length)
{
    void *copy = malloc(length ? (size_t)length : 1);
    if (copy)
        memcpy(copy, octets, (size_t)length);
    return copy;
}

PyDoc_STRVAR(begin_doc, "begin(change, since, until, macs, guids)\n--\n\n"
                        "Forgets all flows. The next ones hold from `since` to before `until` (seconds of Unix time)\n"
                        "while the site's change number is `change`, and for nobody in `macs` and `guids` (octets one\n"
                        "behind the other).");

static PyObject *flows_begin(Flows *self, PyObject *arguments)
{
    long long change;
    double since, until;
    Py_buffer macs, guids;
    if (!PyArg_ParseTuple(arguments, "Lddy*y*", &change, &since, &until, &macs, &guids))
        return NULL;
    void *own_macs = copy_of(macs.buf, macs.len), *own_guids = copy_of(guids.buf, guids.len);
    if (own_macs && own_guids) {
        size_t macs_listed = (size_t)macs.len / MAC, guids_listed = (size_t)guids.len / GUID;
        qsort(own_macs, macs_listed, MAC, by_mac);
        qsort(own_guids, guids_listed, GUID, by_guid);
        PyThreadState *state = lock(self);
        forget_all(self);
        free(self->macs);
        free(self->guids);
        self->macs = own_macs;
        self->guids = own_guids;
        self->macs_listed = macs_listed;
        self->guids_listed = guids_listed;
        self->change = change;
        self->since = nanoseconds(since);
        self->until = nanoseconds(until);
        unlock(self, state);
    } else {
        free(own_macs);
        free(own_guids);
        PyErr_NoMemory();
    }
    PyBuffer_Release(&macs);
    PyBuffer_Release(&guids);
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

static bool within(int at, Py_ssize_t length, Py_ssize_t size)
{
    return at == -1 || (at >= 0 && at + length <= size);
}

static bool is_span(int at, int end, Py_ssize_t size)
{
    return at >= 0 && at <= end && end <= size;
}

static struct form *form_from(const Py_buffer *packet, PyObject *spans, int guid_at, int relay_at, int relay_end,
                              const Py_buffer *to)
{
    Py_ssize_t count = PyTuple_GET_SIZE(spans);
    if (packet->len < HEADER || packet->len > LARGEST || count > SPANS || !within(guid_at, GUID, packet->len) ||
        (relay_at != -1 && !is_span(relay_at, relay_end, packet->len)) || (to->len != 0 && to->len != 6)) {
        PyErr_SetString(PyExc_ValueError, "no form of a packet");
        return NULL;
    }
    struct form *form = calloc(1, sizeof *form + (size_t)packet->len);
    if (form == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    form->length = (uint16_t)packet->len;
    memcpy(form->packet, packet->buf, (size_t)packet->len);
    form->asks_again = asks_again(form->packet);
    form->guid_at = (int16_t)guid_at;
    if (relay_at != -1)
        form->relay = (struct span){(uint16_t)relay_at, (uint16_t)(relay_end - relay_at)};
    form->back = to->len == 0;
    form->to.sin_family = AF_INET;
    if (!form->back) {
        memcpy(&form->to.sin_addr, to->buf, 4);
        memcpy(&form->to.sin_port, (uint8_t *)to->buf + 4, 2);
    }
    for (; form->spans < count; form->spans++) {
        PyObject *span = PyTuple_GET_ITEM(spans, form->spans);
        int at, end;
        if (!PyTuple_Check(span) || !PyArg_ParseTuple(span, "ii", &at, &end) || !is_span(at, end, packet->len)) {
            if (!PyErr_Occurred())
                PyErr_SetString(PyExc_ValueError, "no span of the packet");
            free(form);
            return NULL;
        }
        form->common[form->spans] = (struct span){(uint16_t)at, (uint16_t)(end - at)};
    }
    return form;
}

/* Whether the replies to packets of one form are right for the other, which has the same octets. */
static bool agree(const struct form *one, const struct form *other)
{
    return one->guid_at == other->guid_at && one->relay.at == other->relay.at &&
           one->relay.length == other->relay.length && one->back == other->back &&
           memcmp(&one->to, &other->to, sizeof one->to) == 0;
}

PyDoc_STRVAR(teach_doc,
             "teach(packet, common, guid_at, relay, to, likeness, reply, places, counter)\n--\n\n"
             "What to send from now on in answer to packets like `packet`: those with the same octets in the spans\n"
             "`common` (pairs of from and to). `guid_at` is where option 97 has its 16 octets, `relay` the span of\n"
             "option 82, -1 in both for nowhere. `to` has 4 octets of address and 2 of port, or none for back to the\n"
             "sender. `reply` without octets is silence; `places` is where in it xid, ciaddr, MAC address, GUID and\n"
             "option 82 go, -1 for nowhere. False if there is no room. ValueError if it does not fit together.");

static PyObject *flows_teach(Flows *self, PyObject *arguments)
{
    Py_buffer packet, to, likeness, reply;
    PyObject *spans;
    int guid_at, relay_at, relay_end, xid_at, ciaddr_at, mac_at, reply_guid_at, reply_relay_at, counter;
    if (!PyArg_ParseTuple(arguments, "y*O!i(ii)y*y*y*(iiiii)i", &packet, &PyTuple_Type, &spans, &guid_at, &relay_at,
                          &relay_end, &to, &likeness, &reply, &xid_at, &ciaddr_at, &mac_at, &reply_guid_at,
                          &reply_relay_at, &counter))
        return NULL;
    struct flow *flow = NULL;
    bool taught = false, fits = true;
    struct form *form = form_from(&packet, spans, guid_at, relay_at, relay_end, &to);
    if (form == NULL)
        goto done;
    if (reply.len > REPLY || likeness.len > (Py_ssize_t)sizeof((struct likeness *)0)->octets || counter < 0 ||
        counter >= COUNTERS || !within(xid_at, 4, reply.len) || !within(ciaddr_at, 4, reply.len) ||
        !within(mac_at, MAC, reply.len) || !within(reply_guid_at, GUID, reply.len) ||
        !within(reply_relay_at, form->relay.length, reply.len)) {
        PyErr_SetString(PyExc_ValueError, "no answer to a packet");
        goto done;
    }
    flow = calloc(1, sizeof *flow + (size_t)(likeness.len + reply.len));
    if (flow == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    flow->hash = hash_of(likeness.buf, (size_t)likeness.len);
    flow->likeness_length = (uint16_t)likeness.len;
    flow->reply_length = (uint16_t)reply.len;
    flow->xid_at = (int16_t)xid_at;
    flow->ciaddr_at = (int16_t)ciaddr_at;
    flow->mac_at = (int16_t)mac_at;
    flow->guid_at = (int16_t)reply_guid_at;
    flow->relay_at = (int16_t)reply_relay_at;
    flow->counter = (uint8_t)counter;
    memcpy(flow->octets, likeness.buf, (size_t)likeness.len);
    memcpy(flow->octets + likeness.len, reply.buf, (size_t)reply.len);

    PyThreadState *state = lock(self);
    struct form *of = form_of(self, form->packet, form->length);
    fits = of == NULL || agree(of, form);
    if (fits && self->flows_taught < FLOWS && (of != NULL || self->forms_taught < FORMS)) {
        if (of == NULL) {
            of = self->forms[self->forms_taught++] = form;
            form = NULL;
        }
        struct flow **place = &of->flows[flow->hash % BUCKETS];
        while (*place != NULL && !is_of(*place, flow->hash, flow->octets, flow->likeness_length))
            place = &(*place)->next;
        if (*place != NULL) {
            flow->next = (*place)->next;
            free(*place);
        } else
            self->flows_taught++;
        *place = flow;
        flow = NULL;
        taught = true;
    }
    unlock(self, state);
    if (!fits)
        PyErr_SetString(PyExc_ValueError, "packets of this form were taught otherwise");
done:
    free(form);
    free(flow);
    PyBuffer_Release(&packet);
    PyBuffer_Release(&to);
    PyBuffer_Release(&likeness);
    PyBuffer_Release(&reply);
    return PyErr_Occurred() ? NULL : PyBool_FromLong(taught);
}

PyDoc_STRVAR(count_doc, "count()\n--\n\nSince the last time: packets heard, passed up, lost on the way up, answers that\n"
                        "the kernel did not take, and a tuple of what each counter says.");

static PyObject *flows_count(Flows *self, PyObject *nothing)
{
    (void)nothing;
    uint64_t counted[COUNTERS], heard, passed_up, lost, unsent;
    PyThreadState *state = lock(self);
    memcpy(counted, self->counted, sizeof counted);
    heard = self->heard, passed_up = self->passed_up, lost = self->lost, unsent = self->unsent;
    self->heard = self->passed_up = self->lost = self->unsent = 0;
    memset(self->counted, 0, sizeof self->counted);
    unlock(self, state);
    PyObject *each = PyTuple_New(COUNTERS);
    for (int i = 0; each != NULL && i < COUNTERS; i++) {
        PyObject *number = PyLong_FromUnsignedLongLong(counted[i]);
        if (number == NULL)
            Py_CLEAR(each);
        else
            PyTuple_SET_ITEM(each, i, number);
    }
    return each ? Py_BuildValue("KKKKN", heard, passed_up, lost, unsent, each) : NULL;
}

static void flows_dealloc(PyObject *object)
{
    Flows *self = (Flows *)object;
    PyTypeObject *type = Py_TYPE(object);
    Py_XDECREF(flows_stop(self, NULL));
    forget_all(self);
    free(self->macs);
    free(self->guids);
    free(self->database);
    free(self->who);
    free(self->of_one);
    if (self->stop >= 0)
        close(self->stop);
    pthread_mutex_destroy(&self->lock);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"start", (PyCFunction)flows_start, METH_O, start_doc},
    {"stop", (PyCFunction)flows_stop, METH_NOARGS, stop_doc},
    {"begin", (PyCFunction)flows_begin, METH_VARARGS, begin_doc},
    {"teach", (PyCFunction)flows_teach, METH_VARARGS, teach_doc},
    {"count", (PyCFunction)flows_count, METH_NOARGS, count_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(flows_doc, "Flows(socket, up, library, database, who, of_one)\n--\n\n"
                        "Flows on the UDP socket with that descriptor. What has none is sent to the descriptor `up`:\n"
                        "an octet that says why, 4 octets of address and 2 of port, the packet. `library` is the file\n"
                        "in which SQLite is found, `database` a site's; `who` and `of_one` are the statements of\n"
                        "`pxed.site.sql.flows`. OSError if there is no SQLite.");

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)flows_doc},   {Py_tp_methods, methods},
    {Py_tp_new, flows_new},           {Py_tp_dealloc, flows_dealloc},
    {0, NULL},
};

static PyType_Spec spec = {"pxed.responder._flows.Flows", sizeof(Flows), 0, Py_TPFLAGS_DEFAULT, slots};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_flows", "Answers floods of packets whose answers are known.", -1, NULL, NULL, NULL, NULL,
    NULL,
};

PyMODINIT_FUNC PyInit__flows(void)
{
    PyObject *made = PyModule_Create(&module), *type = made ? PyType_FromSpec(&spec) : NULL;
    if (type == NULL || PyModule_AddObject(made, "Flows", type) < 0 ||
        PyModule_AddIntConstant(made, "IN_TURN", IN_TURN) < 0 ||
        PyModule_AddIntConstant(made, "UNTAUGHT", UNTAUGHT) < 0 || PyModule_AddIntConstant(made, "ALONE", ALONE) < 0) {
        Py_XDECREF(made);
        return NULL;
    }
    return made;
}
