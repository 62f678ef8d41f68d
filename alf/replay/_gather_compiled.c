/* Copies records from all over a large buffer. While one is copied, the next ones are on their way
 * from memory: that, and not the copying, is what takes the time.
 */

#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdint.h>
#include <string.h>

#define AHEAD 12 /* records */
#define LINE 64  /* bytes that memory gives at once */

#if defined(__GNUC__) || defined(__clang__)
#define PREFETCH(address) __builtin_prefetch(address)
#else
#define PREFETCH(address) ((void)(address))
#endif

static int64_t wrapped(int64_t slot, int64_t count)
{
    return slot < count ? slot : slot - count;
}

static void copy_records(const char *records, int64_t count, size_t size, const int64_t *slots,
                         Py_ssize_t num_slots, char *out)
{
    for (Py_ssize_t k = 0; k < num_slots; k++) {
        if (k + AHEAD < num_slots) {
            const char *next = records + size * (size_t)wrapped(slots[k + AHEAD], count);
            PREFETCH(next);
            PREFETCH(next + (size < LINE ? size : LINE) - 1);
        }
        const char *record = records + size * (size_t)wrapped(slots[k], count);
        memcpy(out + size * (size_t)k, record, size);
    }
}

static PyObject *gather(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    Py_buffer records, slots, out;
    PyObject *result = NULL;
    if (nargs != 3) {
        PyErr_SetString(PyExc_TypeError, "gather(records, slots, out)");
        return NULL;
    }
    if (PyObject_GetBuffer(args[0], &records, PyBUF_C_CONTIGUOUS) < 0)
        return NULL;
    if (PyObject_GetBuffer(args[1], &slots, PyBUF_C_CONTIGUOUS) < 0)
        goto release_records;
    if (PyObject_GetBuffer(args[2], &out, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE) < 0)
        goto release_slots;
    const Py_ssize_t num_slots = slots.len / (Py_ssize_t)sizeof(int64_t);
    const int64_t *slot = slots.buf;
    if (records.ndim != 2 || records.shape[0] == 0 || slots.itemsize != sizeof(int64_t)) {
        PyErr_SetString(PyExc_TypeError, "records [n, ...] and int64 slots are needed");
        goto release_out;
    }
    const int64_t count = records.shape[0];
    const Py_ssize_t size = records.len / records.shape[0];
    if (out.len != num_slots * size) {
        PyErr_SetString(PyExc_ValueError, "there must be room for as many records as slots");
        goto release_out;
    }
    for (Py_ssize_t k = 0; k < num_slots; k++) {
        if (slot[k] < 0 || slot[k] >= 2 * count) {
            PyErr_SetString(PyExc_IndexError, "no such slot in the buffer");
            goto release_out;
        }
    }
    copy_records(records.buf, count, (size_t)size, slot, num_slots, out.buf);
    Py_INCREF(Py_None);
    result = Py_None;
release_out:
    PyBuffer_Release(&out);
release_slots:
    PyBuffer_Release(&slots);
release_records:
    PyBuffer_Release(&records);
    return result;
}

static PyMethodDef methods[] = {
    {"gather", (PyCFunction)(void (*)(void))gather, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_gather_compiled",
    .m_doc = "Copies records from all over a large buffer.",
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__gather_compiled(void)
{
    return PyModuleDef_Init(&definition);
}
