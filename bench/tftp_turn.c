/* A turn of the load of TFTP: takes the datagrams that have come, and sends the acknowledgements that are owed.
 *
 * What is expected is done here: a full block which its client waits for, from the server's port, with every octet as
 * in the file. Everything else is passed up, to bench/tftp_load.py, in the order in which it came: a turn stops there
 * and goes on when it is called again. Nothing in here sleeps.
 *
 * bench/tftp_turn.py says what the structures hold that both know.
 */

#define _GNU_SOURCE /* recvmmsg(2), struct in_pktinfo */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    LARGEST = 1 << 16, /* octets of datagrams that come as one */
    HEAD = 4,       /* octets of a packet before its data: opcode and block number (RFC 1350, figures 5-2 and 5-3) */
    DATA = 3,
    ACK = 4,
    LOOKS = 64, /* in vain, before Python may see what else there is to do: 20 us */
};

struct client {
    uint32_t next, window, left;
    uint16_t tid;
    uint8_t done, pauses;
};

struct passed {
    const uint8_t *datagram;
    uint32_t length, client;
    uint16_t port;
};

struct setting {
    struct client *clients;
    const uint8_t *payloads;
    uint32_t count, first, server, blocks, size, stride, period, batch;
    int32_t fd, all;
};

const size_t client_size = sizeof(struct client);
const size_t passed_size = sizeof(struct passed);
const size_t setting_size = sizeof(struct setting);

/* What IP_PKTINFO (ip(7)) says of a datagram: the address it came to, or shall go out from. */
struct control {
    struct cmsghdr head;
    struct in_pktinfo info;
};

/* Datagrams of one sender to one client that came in one go: the kernel hands them over as one (UDP_GRO, udp(7)), all of
 * the length `each` but for the last, which may be shorter. */
struct record {
    struct sockaddr_in from;
    struct in_pktinfo info;
    uint32_t each, at;
    union {
        struct cmsghdr head;
        uint8_t octets[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct in_pktinfo))];
    } control;
    struct iovec part;
    uint8_t octets[LARGEST];
};

struct answer {
    struct sockaddr_in to;
    struct control control;
    struct iovec part;
    uint16_t packet[2];
};

struct load {
    struct setting is;
    struct record *records;
    struct answer *answers;
    struct mmsghdr *in, *out;
    uint32_t records_taken, at; /* of this turn, and the present one of them */
    uint32_t taken, queued;     /* datagrams of this turn, and ACKs that are owed */
};

/* Once for all calls: no datagram comes without its sender and IP_PKTINFO, so that the kernel leaves the lengths. */
static void prepare(struct mmsghdr *message, struct sockaddr_in *name, void *control, size_t space, struct iovec *part)
{
    message->msg_hdr.msg_name = name;
    message->msg_hdr.msg_namelen = sizeof *name;
    message->msg_hdr.msg_iov = part;
    message->msg_hdr.msg_iovlen = 1;
    message->msg_hdr.msg_control = control;
    message->msg_hdr.msg_controllen = space;
}

void load_free(struct load *load)
{
    free(load->records);
    free(load->answers);
    free(load->in);
    free(load->out);
    free(load);
}

/* NULL without memory. What `is` points to stays the caller's, and stays there. */
struct load *load_new(const struct setting *is)
{
    struct load *load = calloc(1, sizeof *load);
    if (load == NULL)
        return NULL;
    load->is = *is;
    load->records = calloc(is->batch, sizeof *load->records);
    load->answers = calloc(is->batch, sizeof *load->answers);
    load->in = calloc(is->batch, sizeof *load->in);
    load->out = calloc(is->batch, sizeof *load->out);
    if (!load->records || !load->answers || !load->in || !load->out) {
        load_free(load);
        return NULL;
    }
    for (uint32_t i = 0; i < is->batch; i++) {
        struct record *record = &load->records[i];
        record->part = (struct iovec){record->octets, sizeof record->octets};
        prepare(&load->in[i], &record->from, &record->control, sizeof record->control, &record->part);

        struct answer *answer = &load->answers[i];
        answer->to = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(is->server)};
        answer->control.head = (struct cmsghdr){CMSG_LEN(sizeof(struct in_pktinfo)), IPPROTO_IP, IP_PKTINFO};
        answer->part = (struct iovec){answer->packet, sizeof answer->packet};
        answer->packet[0] = htons(ACK);
        prepare(&load->out[i], &answer->to, &answer->control, sizeof answer->control, &answer->part);
    }
    return load;
}

static void send_answers(struct load *load)
{
    uint32_t done = 0;
    while (done < load->queued) {
        int sent = sendmmsg(load->is.fd, load->out + done, load->queued - done, 0);
        done += sent > 0 ? (uint32_t)sent : 1; /* the first of them cannot be sent, and is lost as on the way */
    }
    load->queued = 0;
}

/* The last block in order of that client is acknowledged when the turn is over, and so when no datagram that waits has
 * to wait for it. */
void load_acknowledge(struct load *load, uint32_t number)
{
    const struct client *client = &load->is.clients[number];
    if (load->queued == load->is.batch)
        send_answers(load);
    struct answer *answer = &load->answers[load->queued++];
    answer->to.sin_port = htons(client->tid);
    answer->control.info.ipi_spec_dst.s_addr = htonl(load->is.first + number);
    answer->packet[1] = htons((uint16_t)(client->next - 1)); /* numbers begin again at 0 after 65535 */
}

/* What the kernel says of the datagrams of a message. */
static void read_control(struct msghdr *message, uint32_t length, struct record *record)
{
    record->at = 0;
    record->each = length;
    for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head != NULL; head = CMSG_NXTHDR(message, head)) {
        if (head->cmsg_level == IPPROTO_IP && head->cmsg_type == IP_PKTINFO)
            memcpy(&record->info, CMSG_DATA(head), sizeof record->info);
        if (head->cmsg_level == IPPROTO_UDP && head->cmsg_type == UDP_GRO)
            memcpy(&record->each, CMSG_DATA(head), sizeof record->each);
    }
    message->msg_controllen = sizeof record->control;
}

static void receive(struct load *load)
{
    int count = 0;
    for (int look = 0; look < LOOKS && count <= 0; look++)
        count = recvmmsg(load->is.fd, load->in, load->is.batch, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++)
        read_control(&load->in[i].msg_hdr, load->in[i].msg_len, &load->records[i]);
    load->records_taken = count > 0 ? (uint32_t)count : 0;
    load->at = load->taken = 0;
}

/* Whether it is what the client waits for. The last block is short, and so none of these. */
static int expected(const struct setting *is, const struct client *client, uint16_t port, const uint8_t *datagram,
                    uint32_t length)
{
    const uint8_t head[HEAD] = {0, DATA, (uint8_t)(client->next >> 8), (uint8_t)client->next};
    return length == HEAD + is->size && port == client->tid && !client->done && client->next != is->blocks &&
           memcmp(datagram, head, HEAD) == 0 &&
           memcmp(datagram + HEAD, is->payloads + (size_t)(client->next % is->period) * is->stride, is->size) == 0;
}

/* Begins a turn, or goes on with the one that is not over. How many datagrams it was when it is over; -1 before, with
 * the one that is passed up. */
int32_t load_turn(struct load *load, struct passed *passed)
{
    const struct setting *is = &load->is;
    if (load->records_taken == 0)
        receive(load);
    while (load->at < load->records_taken) {
        struct record *record = &load->records[load->at];
        uint32_t left = load->in[load->at].msg_len - record->at;
        uint32_t length = left < record->each ? left : record->each;
        const uint8_t *datagram = record->octets + record->at;
        record->at += length;
        if (length == left)
            load->at++;
        load->taken++;
        uint32_t number = ntohl(record->info.ipi_addr.s_addr) - is->first;
        if (number >= is->count)
            continue; /* of an earlier load */
        struct client *client = &is->clients[number];
        uint16_t port = ntohs(record->from.sin_port);
        /* a client that thinks about its windows does not acknowledge them at once */
        if (is->all || (client->pauses && client->left == 1) || !expected(is, client, port, datagram, length)) {
            *passed = (struct passed){datagram, length, number, port};
            return -1;
        }
        client->next++;
        if (--client->left == 0) {
            client->left = client->window;
            load_acknowledge(load, number);
        }
    }
    send_answers(load);
    load->records_taken = 0;
    return (int32_t)load->taken;
}
