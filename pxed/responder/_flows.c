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
 * All memory is bounded. The steps are in files of their own (`_flows.h`); this one is what Python sees of them.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "_flows.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

typedef struct {
    PyObject_HEAD
    struct answering answering;
} Flows;

/* From Python's seconds; nothing later than the year 2116, so that two of them can be added. */
static int64_t nanoseconds(double seconds)
{
    static const double most = 4.6e9;
    return (int64_t)((seconds > 0 ? seconds < most ? seconds : most : 0) * 1e9);
}

/* Without the interpreter from before the lock is taken until after it is given back: whoever held the lock and waited
 * for the interpreter would keep the thread from answering meanwhile. */
static PyThreadState *lock(Flows *self)
{
    PyThreadState *state = PyEval_SaveThread();
    pthread_mutex_lock(&self->answering.lock);
    return state;
}

static void unlock(Flows *self, PyThreadState *state)
{
    pthread_mutex_unlock(&self->answering.lock);
    PyEval_RestoreThread(state);
}

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
    struct answering *answering = &self->answering;
    pthread_mutex_init(&answering->lock, NULL);
    answering->socket = socket;
    answering->up = up;
    answering->database = strdup(database);
    answering->who = strdup(who);
    answering->of_one = strdup(of_one);
    answering->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (answering->stop < 0)
        PyErr_SetFromErrno(PyExc_OSError);
    else if (!answering->database || !answering->who || !answering->of_one)
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
    struct answering *answering = &self->answering;
    if (answering->running)
        Py_RETURN_NONE;
    answering->between = nanoseconds(between);
    errno = start_answering(answering);
    if (errno)
        return PyErr_SetFromErrno(PyExc_OSError);
    answering->running = true;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(stop_doc, "stop()\n--\n\nReturns when nothing is received any more; what was taught is kept.");

static PyObject *flows_stop(Flows *self, PyObject *nothing)
{
    (void)nothing;
    struct answering *answering = &self->answering;
    if (answering->running && !atomic_exchange(&answering->stopping, true)) {
        Py_BEGIN_ALLOW_THREADS
        stop_answering(answering);
        Py_END_ALLOW_THREADS
        answering->running = answering->stopping = false;
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
    struct ground ground = {
        .change = change,
        .since = nanoseconds(since),
        .until = nanoseconds(until),
        .macs = copy_of(macs.buf, macs.len),
        .guids = copy_of(guids.buf, guids.len),
        .macs_listed = (size_t)macs.len / MAC,
        .guids_listed = (size_t)guids.len / GUID,
    };
    if (ground.macs && ground.guids) {
        sort_listed(&ground);
        PyThreadState *state = lock(self);
        struct ground earlier = self->answering.ground;
        self->answering.ground = ground;
        forget_all(&self->answering.table);
        unlock(self, state);
        ground = earlier;
    } else
        PyErr_NoMemory();
    free(ground.macs);
    free(ground.guids);
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
    struct form *form = new_form(packet->buf, (size_t)packet->len);
    if (form == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
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
    enum taught taught = NO_ROOM;
    struct form *form = form_from(&packet, spans, guid_at, relay_at, relay_end, &to);
    if (form == NULL)
        goto done;
    if (reply.len > REPLY || likeness.len > (Py_ssize_t)sizeof((struct likeness *)0)->octets || counter < 0 ||
        counter >= COUNTERS || !within(xid_at, 4, reply.len) || !within(ciaddr_at, 4, reply.len) ||
        !within(mac_at, MAC, reply.len) || !within(reply_guid_at, GUID, reply.len) ||
        !within(reply_relay_at, form->relay.length, reply.len)) {
        PyErr_SetString(PyExc_ValueError, "no answer to a packet");
        free(form);
        goto done;
    }
    struct flow *flow = new_flow(likeness.buf, (size_t)likeness.len, reply.buf, (size_t)reply.len);
    if (flow == NULL) {
        PyErr_NoMemory();
        free(form);
        goto done;
    }
    flow->xid_at = (int16_t)xid_at;
    flow->ciaddr_at = (int16_t)ciaddr_at;
    flow->mac_at = (int16_t)mac_at;
    flow->guid_at = (int16_t)reply_guid_at;
    flow->relay_at = (int16_t)reply_relay_at;
    flow->counter = (uint8_t)counter;
    PyThreadState *state = lock(self);
    taught = add_flow(&self->answering.table, form, flow);
    unlock(self, state);
    if (taught == OTHERWISE)
        PyErr_SetString(PyExc_ValueError, "packets of this form were taught otherwise");
done:
    PyBuffer_Release(&packet);
    PyBuffer_Release(&to);
    PyBuffer_Release(&likeness);
    PyBuffer_Release(&reply);
    return PyErr_Occurred() ? NULL : PyBool_FromLong(taught == TAUGHT);
}

PyDoc_STRVAR(count_doc, "count()\n--\n\nSince the last time: packets heard, passed up, lost on the way up, answers that\n"
                        "the kernel did not take, and a tuple of what each counter says.");

static PyObject *flows_count(Flows *self, PyObject *nothing)
{
    (void)nothing;
    PyThreadState *state = lock(self);
    struct counts counts = self->answering.counts;
    memset(&self->answering.counts, 0, sizeof self->answering.counts);
    unlock(self, state);
    PyObject *each = PyTuple_New(COUNTERS);
    for (int i = 0; each != NULL && i < COUNTERS; i++) {
        PyObject *number = PyLong_FromUnsignedLongLong(counts.each[i]);
        if (number == NULL)
            Py_CLEAR(each);
        else
            PyTuple_SET_ITEM(each, i, number);
    }
    return each ? Py_BuildValue("KKKKN", counts.heard, counts.passed_up, counts.lost, counts.unsent, each) : NULL;
}

static void flows_dealloc(PyObject *object)
{
    Flows *self = (Flows *)object;
    PyTypeObject *type = Py_TYPE(object);
    Py_XDECREF(flows_stop(self, NULL));
    struct answering *answering = &self->answering;
    forget_all(&answering->table);
    free(answering->ground.macs);
    free(answering->ground.guids);
    free(answering->database);
    free(answering->who);
    free(answering->of_one);
    if (answering->stop >= 0)
        close(answering->stop);
    pthread_mutex_destroy(&answering->lock);
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
