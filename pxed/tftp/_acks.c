/* Answers the ACKs that transfers wait for.
 *
 * While all goes well a client acknowledges all of its window, and what follows is the next one (RFC 7440 section 4; RFC
 * 1350 section 2 for a window of one block). Nearly every packet of the data path is such an ACK. Session.acknowledge
 * says in Python what it does, as it does for every other packet, and marks by `awaited` which one it would be; this
 * module does the same to the same fields for a batch of datagrams, and leaves all others to Python.
 *
 *     recvmmsg(2) -> is it the awaited ACK of its sender's transfer? -> its next window as one message -> sendmmsg(2)
 *
 * It keeps nothing, and knows no file, no clock and no option: the transfers are Python's, and so is all that they refer
 * to.
 */

#define PY_SSIZE_T_CLEAN
#define _GNU_SOURCE
#include <Python.h>
#include <structmember.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
    ACK = 4,      /* opcode, RFC 1350 section 5 */
    HEADER = 4,   /* octets: opcode and block number */
    PEER = 8,     /* octets that name a client's socket, the first of a sockaddr_in */
    HEAD = 64,    /* octets of a datagram that are kept */
    CONTROL = 24, /* octets of a control message with UDP_SEGMENT */
    NONE = -1,    /* no block has this number */
};

/* What is kept of a datagram: `pxed.tftp.batch` reads the same. */
struct record {
    struct sockaddr_in from;
    uint8_t head[HEAD];
};

/* How the iovecs of a file's blocks lie in memory: `pxed.tftp.blocks`. */
struct pair {
    struct iovec header, payload;
};

_Static_assert(sizeof(struct mmsghdr) == 64 && sizeof(struct pair) == 32 && sizeof(struct record) == 80,
               "laid out in Python for machines with addresses of 64 bits");

/* ---- fields that Python shares ------------------------------------------------------------------------------------ */

typedef struct {
    PyObject_HEAD
    long long acked, sent, last;
    int awaited, window;
    double sent_at, deadline, wait;
} Session;

typedef struct {
    PyObject_HEAD
    unsigned long long name, control, iovecs; /* addresses; that of block n's iovecs is iovecs + n * sizeof(struct pair) */
    long long first, beyond;
    int segments;
} Lane;

typedef struct {
    PyObject_HEAD
    PyObject *session, *lane;
} Delivery;

static PyTypeObject *session_type, *lane_type, *delivery_type;

static PyMemberDef session_members[] = {
    {"acked", T_LONGLONG, offsetof(Session, acked), 0, NULL},
    {"sent", T_LONGLONG, offsetof(Session, sent), 0, NULL},
    {"last", T_LONGLONG, offsetof(Session, last), 0, NULL},
    {"awaited", T_INT, offsetof(Session, awaited), 0, NULL},
    {"window", T_INT, offsetof(Session, window), 0, NULL},
    {"sent_at", T_DOUBLE, offsetof(Session, sent_at), 0, NULL},
    {"deadline", T_DOUBLE, offsetof(Session, deadline), 0, NULL},
    {"wait", T_DOUBLE, offsetof(Session, wait), 0, NULL},
    {0},
};

static PyMemberDef lane_members[] = {
    {"name", T_ULONGLONG, offsetof(Lane, name), 0, NULL},
    {"control", T_ULONGLONG, offsetof(Lane, control), 0, NULL},
    {"iovecs", T_ULONGLONG, offsetof(Lane, iovecs), 0, NULL},
    {"first", T_LONGLONG, offsetof(Lane, first), 0, NULL},
    {"beyond", T_LONGLONG, offsetof(Lane, beyond), 0, NULL},
    {"segments", T_INT, offsetof(Lane, segments), 0, NULL},
    {0},
};

static PyMemberDef delivery_members[] = {
    {"session", T_OBJECT_EX, offsetof(Delivery, session), 0, NULL},
    {"lane", T_OBJECT_EX, offsetof(Delivery, lane), 0, NULL},
    {0},
};

static int delivery_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((Delivery *)self)->session);
    Py_VISIT(((Delivery *)self)->lane);
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static int delivery_clear(PyObject *self)
{
    Py_CLEAR(((Delivery *)self)->session);
    Py_CLEAR(((Delivery *)self)->lane);
    return 0;
}

static void delivery_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    delivery_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

/* ---- the answer --------------------------------------------------------------------------------------------------- */

static bool is_a(PyObject *object, PyTypeObject *type)
{
    if (object != NULL && PyObject_TypeCheck(object, type))
        return true;
    PyErr_Format(PyExc_TypeError, "not a %s but %s", type->tp_name, object ? Py_TYPE(object)->tp_name : "nothing");
    return false;
}

/* Session and lane of whoever sent a datagram; false if that is nobody, or with an exception. */
static bool find(PyObject *deliveries, const struct record *record, Session **session, Lane **lane)
{
    PyObject *peer = PyBytes_FromStringAndSize((const char *)&record->from, PEER);
    PyObject *found = peer ? PyDict_GetItemWithError(deliveries, peer) : NULL;
    Py_XDECREF(peer);
    if (found == NULL || !is_a(found, delivery_type))
        return false;
    Delivery *delivery = (Delivery *)found;
    *session = (Session *)delivery->session;
    *lane = (Lane *)delivery->lane;
    return is_a(delivery->session, session_type) && is_a(delivery->lane, lane_type);
}

/* Whether a datagram is the ACK that `session` waits for, and what follows is one message on `lane`. */
static bool is_expected(const struct record *record, unsigned length, const Session *session, const Lane *lane,
                        int longest)
{
    uint16_t opcode, block;
    memcpy(&opcode, record->head, sizeof opcode);
    memcpy(&block, record->head + sizeof opcode, sizeof block);
    int window = session->window;
    return length >= HEADER && ntohs(opcode) == ACK && ntohs(block) == session->awaited && window >= 1 &&
           window <= longest && window <= lane->segments && session->sent >= lane->first - 1 &&
           session->sent + window < lane->beyond;
}

/* All that is in flight has arrived: the next window follows. As the first lines of Session.acknowledge. */
static void advance(Session *session, double now)
{
    session->acked = session->sent;
    session->sent += session->window;
    session->awaited = session->sent + session->window < session->last ? (int)(session->sent & 0xFFFF) : NONE;
    session->sent_at = now;
    session->deadline = now + session->wait;
}

/* Blocks `first` to `first + count - 1` as one message, which the kernel or the network card cuts up (udp(7)). */
static struct mmsghdr message(const Lane *lane, long long first, int count)
{
    struct pair *pairs = (struct pair *)(uintptr_t)lane->iovecs;
    struct mmsghdr made = {0};
    made.msg_hdr.msg_name = (void *)(uintptr_t)lane->name;
    made.msg_hdr.msg_namelen = sizeof(struct sockaddr_in);
    made.msg_hdr.msg_iov = &pairs[first].header;
    made.msg_hdr.msg_iovlen = (size_t)count * 2;
    if (count > 1) {
        made.msg_hdr.msg_control = (void *)(uintptr_t)lane->control;
        made.msg_hdr.msg_controllen = CONTROL;
    }
    return made;
}

/* Writes what follows from the datagrams that are awaited ACKs to `out`, and how many messages that are to `queued`; the
 * places of all others, or NULL with an exception. */
static PyObject *answer(PyObject *deliveries, const struct mmsghdr *came, const struct record *record, int count,
                        struct mmsghdr *out, unsigned *queued, double now, int longest)
{
    PyObject *others = PyList_New(0);
    for (int i = 0; others != NULL && i < count; i++) {
        Session *session;
        Lane *lane;
        if (find(deliveries, &record[i], &session, &lane) &&
            is_expected(&record[i], came[i].msg_len, session, lane, longest)) {
            out[(*queued)++] = message(lane, session->sent + 1, session->window);
            advance(session, now);
            continue;
        }
        PyObject *place = PyErr_Occurred() ? NULL : PyLong_FromLong(i);
        if (place == NULL || PyList_Append(others, place) < 0)
            Py_CLEAR(others);
        Py_XDECREF(place);
    }
    return others;
}

static int send_all(int socket, struct mmsghdr *messages, unsigned queued)
{
    unsigned done = 0;
    while (done < queued) {
        int sent = sendmmsg(socket, messages + done, queued - done, 0);
        if (sent <= 0)
            break;
        done += (unsigned)sent;
    }
    return (int)done;
}

PyDoc_STRVAR(exchange_doc,
             "exchange(socket, deliveries, received, records, messages, now, longest)\n--\n\n"
             "Receives what has come to a UDP socket, and answers the awaited ACKs among it with windows of up to\n"
             "`longest` blocks. `deliveries` maps the first 8 octets of a sockaddr_in to DeliveryFields; the arrays\n"
             "are as `pxed.tftp.batch` prepares them, and as large as what is received at most.\n"
             "`now` is in seconds. How many datagrams came, at which places the others lie, how many messages were\n"
             "made, and how many of them sent: fewer if the kernel refused the next one.");

static PyObject *exchange(PyObject *module, PyObject *arguments)
{
    (void)module;
    PyObject *deliveries;
    Py_buffer received, records, messages;
    double now;
    int socket, longest;
    if (!PyArg_ParseTuple(arguments, "iO!w*w*w*di", &socket, &PyDict_Type, &deliveries, &received, &records, &messages,
                          &now, &longest))
        return NULL;
    struct mmsghdr *came = received.buf, *out = messages.buf;
    size_t places = (size_t)records.len / sizeof(struct record);
    if (places > (size_t)received.len / sizeof *came)
        places = (size_t)received.len / sizeof *came;
    if (places > (size_t)messages.len / sizeof *out)
        places = (size_t)messages.len / sizeof *out;
    int count = recvmmsg(socket, came, (unsigned)places, MSG_DONTWAIT, NULL), done = 0;
    if (count < 0)
        count = 0; /* nothing has come, or the socket has an error to tell, which is gone with that */
    unsigned queued = 0;
    PyObject *others = answer(deliveries, came, records.buf, count, out, &queued, now, longest);
    if (others != NULL)
        done = send_all(socket, out, queued);
    PyBuffer_Release(&received);
    PyBuffer_Release(&records);
    PyBuffer_Release(&messages);
    return others ? Py_BuildValue("iNIi", count, others, queued, done) : NULL;
}

/* ---- what Python sees --------------------------------------------------------------------------------------------- */

static PyType_Slot session_slots[] = {
    {Py_tp_doc, "What an ACK that is awaited moves in a session; see `pxed.tftp.fields`."},
    {Py_tp_members, session_members},
    {0, NULL},
};
static PyType_Slot lane_slots[] = {
    {Py_tp_doc, "What is needed of a lane to send a window; see `pxed.tftp.fields`."},
    {Py_tp_members, lane_members},
    {0, NULL},
};

static PyType_Slot delivery_slots[] = {
    {Py_tp_doc, "What leads from a client's socket to its session and lane; see `pxed.tftp.fields`."},
    {Py_tp_members, delivery_members},
    {Py_tp_traverse, delivery_traverse},
    {Py_tp_clear, delivery_clear},
    {Py_tp_dealloc, delivery_dealloc},
    {0, NULL},
};

enum { BASE = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE };
static PyType_Spec session_spec = {"pxed.tftp._acks.SessionFields", sizeof(Session), 0, BASE, session_slots};
static PyType_Spec lane_spec = {"pxed.tftp._acks.LaneFields", sizeof(Lane), 0, BASE, lane_slots};
static PyType_Spec delivery_spec = {"pxed.tftp._acks.DeliveryFields", sizeof(Delivery), 0, BASE | Py_TPFLAGS_HAVE_GC,
                                    delivery_slots};

static PyMethodDef functions[] = {
    {"exchange", exchange, METH_VARARGS, exchange_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_acks", "Answers the ACKs that transfers wait for.", -1, functions, NULL, NULL, NULL, NULL,
};

static PyTypeObject *add_type(PyObject *to, const char *name, PyType_Spec *spec)
{
    PyObject *type = PyType_FromSpec(spec);
    if (type != NULL && PyModule_AddObjectRef(to, name, type) < 0)
        Py_CLEAR(type);
    return (PyTypeObject *)type;
}

PyMODINIT_FUNC PyInit__acks(void)
{
    PyObject *made = PyModule_Create(&module);
    if (made == NULL || !(session_type = add_type(made, "SessionFields", &session_spec)) ||
        !(lane_type = add_type(made, "LaneFields", &lane_spec)) ||
        !(delivery_type = add_type(made, "DeliveryFields", &delivery_spec)))
        Py_CLEAR(made);
    return made;
}
