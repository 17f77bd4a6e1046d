/* The thread: receives, looks up, sends. It holds no lock of Python's, and Python waits for it for a batch at most. */

#define _GNU_SOURCE
#include "_flows.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>

enum { UP_HEAD = 7 }; /* octets before a packet that is passed up: why, and the sender's address and port */

/* How long the thread stays awake after a packet: about what falling asleep and being woken takes, so that it costs at
 * most twice what the better of both would have. Whoever else wants the processor gets it meanwhile. */
static const int64_t VIGIL = 25000;

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

static void pass_up(struct answering *self, enum why why, const struct sockaddr_in *from, const uint8_t *packet,
                    size_t length)
{
    uint8_t head[UP_HEAD] = {why};
    memcpy(head + 1, &from->sin_addr, 4);
    memcpy(head + 5, &from->sin_port, 2);
    struct iovec parts[] = {{head, sizeof head}, {(void *)packet, length}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    if (sendmsg(self->up, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        self->counts.lost++; /* more than can be answered: as if the socket's buffer had been full */
    else
        self->counts.passed_up++;
}

static enum why find(const struct answering *self, struct site *site, const uint8_t *packet, size_t length,
                     struct form **form, struct flow **flow)
{
    *form = length >= HEADER ? form_of(&self->table, packet, length) : NULL;
    if (*form == NULL)
        return UNTAUGHT;
    if (site->database == NULL)
        return ALONE;
    struct likeness likeness;
    const uint8_t *guid = (*form)->guid_at >= 0 ? packet + (*form)->guid_at : NULL;
    enum why why = likeness_of(site, &self->ground, packet + CHADDR_AT, guid, &likeness);
    if (why != ANSWERED)
        return why;
    *flow = flow_of(*form, &likeness);
    return *flow ? ANSWERED : UNTAUGHT;
}

/* Fills `sending` with the replies there are to what was received; how many. What has none yet is passed up. */
static unsigned answer(struct answering *self, struct site *site, const struct slots *received, int count,
                       struct slots *sending, int64_t *next_turn)
{
    int64_t wall = now_by(CLOCK_REALTIME), now = now_by(CLOCK_MONOTONIC);
    bool held = self->ground.since <= wall && wall < self->ground.until;
    unsigned replies = 0;
    begin_reading(site); /* all of a batch is of one state of the site */
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
        self->counts.each[flow->counter]++;
        if (flow->reply_length == 0)
            continue;
        sending->parts[replies].iov_len = make_reply(form, flow, packet, sending->parts[replies].iov_base);
        sending->names[replies] = form->back ? received->names[i] : form->to;
        replies++;
    }
    end_reading(site);
    self->counts.heard += (unsigned)count;
    return replies;
}

struct rooms {
    struct slots received, sending;
    uint8_t in[BATCH][LARGEST + 1], out[BATCH][REPLY];
};

static void *serve(void *argument)
{
    struct answering *self = argument;
    struct site site;
    struct rooms *rooms = self->rooms;
    prepare(&rooms->received, rooms->in[0], sizeof rooms->in[0]);
    prepare(&rooms->sending, rooms->out[0], sizeof rooms->out[0]);
    open_site(&site, self->database, self->who, self->of_one);
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
            open_site(&site, self->database, self->who, self->of_one);
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
                self->counts.unsent++;
                pthread_mutex_unlock(&self->lock);
                sent = 1;
            }
            done += (unsigned)sent;
        }
    }
    close_site(&site);
    return NULL;
}

int start_answering(struct answering *self)
{
    self->rooms = malloc(sizeof *self->rooms);
    if (self->rooms == NULL)
        return ENOMEM;
    /* signals are for Python's main thread */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int failed = pthread_create(&self->thread, NULL, serve, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        free(self->rooms);
        self->rooms = NULL;
    }
    return failed;
}

void stop_answering(struct answering *self)
{
    eventfd_t value;
    eventfd_write(self->stop, 1);
    pthread_join(self->thread, NULL);
    eventfd_read(self->stop, &value);
    free(self->rooms);
    self->rooms = NULL;
}
