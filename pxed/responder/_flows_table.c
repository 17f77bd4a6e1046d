/* What was taught: forms, flows and replies (`_flows.c` has the words). */

#include "_flows.h"

#include <stdlib.h>
#include <string.h>

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

struct form *new_form(const uint8_t *packet, size_t length)
{
    struct form *form = calloc(1, sizeof *form + length);
    if (form != NULL) {
        form->length = (uint16_t)length;
        memcpy(form->packet, packet, length);
        form->asks_again = asks_again(packet);
    }
    return form;
}

struct flow *new_flow(const uint8_t *likeness, size_t likeness_length, const uint8_t *reply, size_t reply_length)
{
    struct flow *flow = calloc(1, sizeof *flow + likeness_length + reply_length);
    if (flow != NULL) {
        flow->hash = hash_of(likeness, likeness_length);
        flow->likeness_length = (uint16_t)likeness_length;
        flow->reply_length = (uint16_t)reply_length;
        memcpy(flow->octets, likeness, likeness_length);
        memcpy(flow->octets + likeness_length, reply, reply_length);
    }
    return flow;
}

struct form *form_of(const struct table *table, const uint8_t *packet, size_t length)
{
    for (int i = 0; i < table->forms_taught; i++) {
        struct form *form = table->forms[i];
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

struct flow *flow_of(const struct form *form, const struct likeness *likeness)
{
    uint32_t hash = hash_of(likeness->octets, likeness->length);
    struct flow *flow = form->flows[hash % BUCKETS];
    while (flow != NULL && !is_of(flow, hash, likeness->octets, likeness->length))
        flow = flow->next;
    return flow;
}

/* Whether the replies to packets of one form are right for the other, which has the same octets. */
static bool agree(const struct form *one, const struct form *other)
{
    return one->guid_at == other->guid_at && one->relay.at == other->relay.at &&
           one->relay.length == other->relay.length && one->back == other->back &&
           memcmp(&one->to, &other->to, sizeof one->to) == 0;
}

enum taught add_flow(struct table *table, struct form *form, struct flow *flow)
{
    struct form *of = form_of(table, form->packet, form->length);
    enum taught taught = TAUGHT;
    if (of != NULL && !agree(of, form))
        taught = OTHERWISE;
    else if (table->flows_taught == FLOWS || (of == NULL && table->forms_taught == FORMS))
        taught = NO_ROOM;
    if (taught == TAUGHT) {
        if (of == NULL) {
            of = table->forms[table->forms_taught++] = form;
            form = NULL;
        }
        struct flow **place = &of->flows[flow->hash % BUCKETS];
        while (*place != NULL && !is_of(*place, flow->hash, flow->octets, flow->likeness_length))
            place = &(*place)->next;
        struct flow *earlier = *place;
        flow->next = earlier ? earlier->next : NULL;
        *place = flow;
        table->flows_taught += earlier == NULL;
        flow = earlier;
    }
    free(form);
    free(flow);
    return taught;
}

void forget_all(struct table *table)
{
    for (int i = 0; i < table->forms_taught; i++) {
        for (int bucket = 0; bucket < BUCKETS; bucket++)
            for (struct flow *flow = table->forms[i]->flows[bucket], *next; flow != NULL; flow = next) {
                next = flow->next;
                free(flow);
            }
        free(table->forms[i]);
    }
    table->forms_taught = table->flows_taught = 0;
}

static void copy_if(uint8_t *reply, int at, const uint8_t *from, size_t length)
{
    if (at >= 0)
        memcpy(reply + at, from, length);
}

size_t make_reply(const struct form *form, const struct flow *flow, const uint8_t *packet, uint8_t *reply)
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
