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
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    LARGEST = 2000, /* octets of a datagram; of a longer one no more is received, which is no block's length */
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

struct record {
    struct sockaddr_in from;
    struct control control;
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
    uint32_t taken, at, queued; /* datagrams of this turn, the next of them, and ACKs that are owed */
};

/* Once for all calls: no datagram comes without its sender and IP_PKTINFO, so that the kernel leaves the lengths. */
static void prepare(struct mmsghdr *message, struct sockaddr_in *name, struct control *control, struct iovec *part)
{
    message->msg_hdr.msg_name = name;
    message->msg_hdr.msg_namelen = sizeof *name;
    message->msg_hdr.msg_iov = part;
    message->msg_hdr.msg_iovlen = 1;
    message->msg_hdr.msg_control = control;
    message->msg_hdr.msg_controllen = sizeof *control;
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
        prepare(&load->in[i], &record->from, &record->control, &record->part);

        struct answer *answer = &load->answers[i];
        answer->to = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(is->server)};
        answer->control.head = (struct cmsghdr){CMSG_LEN(sizeof(struct in_pktinfo)), IPPROTO_IP, IP_PKTINFO};
        answer->part = (struct iovec){answer->packet, sizeof answer->packet};
        answer->packet[0] = htons(ACK);
        prepare(&load->out[i], &answer->to, &answer->control, &answer->part);
    }
    return load;
}

/* The last block in order of that client is acknowledged when the turn is over, and so when no datagram that waits has
 * to wait for it. At most once for each datagram of the turn. */
void load_acknowledge(struct load *load, uint32_t number)
{
    const struct client *client = &load->is.clients[number];
    struct answer *answer = &load->answers[load->queued++];
    answer->to.sin_port = htons(client->tid);
    answer->control.info.ipi_spec_dst.s_addr = htonl(load->is.first + number);
    answer->packet[1] = htons((uint16_t)(client->next - 1)); /* numbers begin again at 0 after 65535 */
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

static uint32_t receive(struct load *load)
{
    for (int look = 0; look < LOOKS; look++) {
        int count = recvmmsg(load->is.fd, load->in, load->is.batch, MSG_DONTWAIT, NULL);
        if (count > 0)
            return (uint32_t)count;
    }
    return 0;
}

/* Whether it is what the client waits for. The last block is short, and so none of these. */
static int expected(const struct setting *is, const struct client *client, const struct record *record, uint32_t length)
{
    const uint8_t head[HEAD] = {0, DATA, (uint8_t)(client->next >> 8), (uint8_t)client->next};
    return length == HEAD + is->size && ntohs(record->from.sin_port) == client->tid && !client->done &&
           client->next != is->blocks && memcmp(record->octets, head, HEAD) == 0 &&
           memcmp(record->octets + HEAD, is->payloads + (size_t)(client->next % is->period) * is->stride, is->size) == 0;
}

/* Begins a turn, or goes on with the one that is not over. How many datagrams it was when it is over; -1 before, with
 * the one that is passed up. */
int32_t load_turn(struct load *load, struct passed *passed)
{
    const struct setting *is = &load->is;
    if (load->taken == 0)
        load->taken = receive(load);
    while (load->at < load->taken) {
        struct record *record = &load->records[load->at];
        uint32_t length = load->in[load->at].msg_len;
        load->at++;
        uint32_t number = ntohl(record->control.info.ipi_addr.s_addr) - is->first;
        if (number >= is->count)
            continue; /* of an earlier load */
        struct client *client = &is->clients[number];
        /* a client that thinks about its windows does not acknowledge them at once */
        if (is->all || (client->pauses && client->left == 1) || !expected(is, client, record, length)) {
            *passed = (struct passed){record->octets, length, number, ntohs(record->from.sin_port)};
            return -1;
        }
        client->next++;
        if (--client->left == 0) {
            client->left = client->window;
            load_acknowledge(load, number);
        }
    }
    send_answers(load);
    uint32_t taken = load->taken;
    load->taken = load->at = 0;
    return (int32_t)taken;
}
