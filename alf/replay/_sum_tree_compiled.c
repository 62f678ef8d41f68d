/* The loops of a sum tree, compiled: the same functions as in _sum_tree_numpy.py, which tells what
 * they do, and the same bits. Arrays come as buffers, so nothing but Python's limited API is needed,
 * and one build serves every later version of Python.
 */

#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdint.h>

#define FAN_OUT 32
#define MAX_LEVELS 12

#if defined(__GNUC__) || defined(__clang__)
#define PREFETCH(address) __builtin_prefetch(address)
#else
#define PREFETCH(address) ((void)(address))
#endif

typedef struct {
    float *children; /* [num_nodes * FAN_OUT], or [num_children] at the root */
    float *before;   /* [num_nodes * FAN_OUT]; unused at the root */
    Py_ssize_t num_children;
} Level;

/* All arrays of a tree, from the leaves to the root. */
typedef struct {
    Level levels[MAX_LEVELS];
    int num_levels; /* without the root, which is levels[num_levels] */
    double *root_before;
    Py_buffer held[2 * MAX_LEVELS];
    int num_held;
} Tree;

static int get_buffer(PyObject *array, Py_buffer *buffer, Py_ssize_t item, int flags)
{
    if (PyObject_GetBuffer(array, buffer, PyBUF_C_CONTIGUOUS | flags) < 0)
        return -1;
    if (buffer->itemsize != item) {
        PyErr_Format(PyExc_TypeError, "elements of %zd bytes are needed, got %zd", item,
                     buffer->itemsize);
        PyBuffer_Release(buffer);
        return -1;
    }
    return 0;
}

static void close_tree(Tree *tree)
{
    while (tree->num_held)
        PyBuffer_Release(&tree->held[--tree->num_held]);
}

/* The next array of the tuple, kept until close_tree. */
static void *next_array(Tree *tree, PyObject *arrays, Py_ssize_t item)
{
    Py_buffer *buffer = &tree->held[tree->num_held];
    PyObject *array = PyTuple_GetItem(arrays, tree->num_held);
    if (array == NULL || get_buffer(array, buffer, item, PyBUF_WRITABLE) < 0)
        return NULL;
    tree->num_held++;
    return buffer->buf;
}

static int open_tree(PyObject *arrays, Tree *tree)
{
    Py_ssize_t count = PyTuple_Check(arrays) ? PyTuple_Size(arrays) : 0;
    tree->num_held = 0;
    if (count < 4 || count % 2 || count > 2 * MAX_LEVELS) {
        PyErr_Format(PyExc_ValueError, "a tree is a tuple of 4 or more arrays, two a level; got %zd", count);
        return -1;
    }
    tree->num_levels = (int)(count / 2) - 1;
    for (int i = 0; i <= tree->num_levels; i++) {
        Level *level = &tree->levels[i];
        int is_root = i == tree->num_levels;
        level->children = next_array(tree, arrays, sizeof(float));
        if (level->children == NULL)
            goto fail;
        level->num_children = tree->held[tree->num_held - 1].len / (Py_ssize_t)sizeof(float);
        void *before = next_array(tree, arrays, is_root ? sizeof(double) : sizeof(float));
        if (before == NULL)
            goto fail;
        level->before = before;
        if (is_root)
            tree->root_before = before;
    }
    return 0;
fail:
    close_tree(tree);
    return -1;
}

/* Sum up the children of a node of level `i` again, and tell the level above. Like numpy's and
 * torch's, the sum is taken in double precision from left to right. */
static void refresh_node(Tree *tree, int i, Py_ssize_t node)
{
    const float *children = tree->levels[i].children + node * FAN_OUT;
    float *before = tree->levels[i].before + node * FAN_OUT;
    double sum = 0.0;
    for (int child = 0; child < FAN_OUT; child++) {
        before[child] = (float)sum;
        sum += (double)children[child];
    }
    tree->levels[i + 1].children[node] = (float)sum;
}

static PyObject *assign(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    Tree tree;
    Py_buffer indices, masses;
    PyObject *result = NULL;
    if (nargs != 3) {
        PyErr_SetString(PyExc_TypeError, "assign(arrays, indices, masses)");
        return NULL;
    }
    if (open_tree(args[0], &tree) < 0)
        return NULL;
    if (get_buffer(args[1], &indices, sizeof(int64_t), 0) < 0)
        goto close;
    if (get_buffer(args[2], &masses, sizeof(float), 0) < 0)
        goto release;
    Py_ssize_t count = indices.len / (Py_ssize_t)sizeof(int64_t);
    const int64_t *index = indices.buf;
    const float *mass = masses.buf;
    if (masses.len / (Py_ssize_t)sizeof(float) != count) {
        PyErr_SetString(PyExc_ValueError, "as many masses as indices are needed");
        goto release_both;
    }
    for (Py_ssize_t k = 0; k < count; k++) {
        if (index[k] < 0 || index[k] >= tree.levels[0].num_children) {
            PyErr_SetString(PyExc_IndexError, "no such index in the tree");
            goto release_both;
        }
    }
    for (Py_ssize_t k = 0; k < count; k++)
        tree.levels[0].children[index[k]] = mass[k];
    int64_t width = 1;
    for (int i = 0; i < tree.num_levels; i++) {
        int64_t last = -1;
        width *= FAN_OUT;
        for (Py_ssize_t k = 0; k < count; k++) {
            int64_t node = index[k] / width;
            if (node != last)
                refresh_node(&tree, i, (Py_ssize_t)node);
            last = node;
        }
    }
    Py_INCREF(Py_None);
    result = Py_None;
release_both:
    PyBuffer_Release(&masses);
release:
    PyBuffer_Release(&indices);
close:
    close_tree(&tree);
    return result;
}

static PyObject *assign_range(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    Tree tree;
    Py_buffer masses;
    PyObject *result = NULL;
    if (nargs != 3) {
        PyErr_SetString(PyExc_TypeError, "assign_range(arrays, start, masses)");
        return NULL;
    }
    Py_ssize_t start = PyLong_AsSsize_t(args[1]);
    if (start == -1 && PyErr_Occurred())
        return NULL;
    if (open_tree(args[0], &tree) < 0)
        return NULL;
    if (get_buffer(args[2], &masses, sizeof(float), 0) < 0)
        goto close;
    Py_ssize_t count = masses.len / (Py_ssize_t)sizeof(float);
    const float *mass = masses.buf;
    if (start < 0 || count > tree.levels[0].num_children - start) {
        PyErr_SetString(PyExc_IndexError, "no such range in the tree");
        goto release;
    }
    for (Py_ssize_t k = 0; k < count; k++)
        tree.levels[0].children[start + k] = mass[k];
    Py_ssize_t first = start, end = start + count;
    for (int i = 0; i < tree.num_levels && count; i++) {
        first = first / FAN_OUT;
        end = (end + FAN_OUT - 1) / FAN_OUT;
        for (Py_ssize_t node = first; node < end; node++)
            refresh_node(&tree, i, node);
    }
    Py_INCREF(Py_None);
    result = Py_None;
release:
    PyBuffer_Release(&masses);
close:
    close_tree(&tree);
    return result;
}

static PyObject *accumulate(PyObject *module, PyObject *arrays)
{
    Tree tree;
    if (open_tree(arrays, &tree) < 0)
        return NULL;
    const Level *root = &tree.levels[tree.num_levels];
    double sum = 0.0;
    for (Py_ssize_t child = 0; child < root->num_children; child++) {
        tree.root_before[child] = sum;
        sum += (double)root->children[child];
    }
    tree.root_before[root->num_children] = sum;
    close_tree(&tree);
    return PyFloat_FromDouble(sum);
}

/* The last child of the root in [low, end) that begins at or before the target. */
static Py_ssize_t find_in_root(const double *before, Py_ssize_t low, Py_ssize_t end, double target)
{
    while (end - low > 1) {
        Py_ssize_t middle = low + (end - low) / 2;
        if (before[middle] <= target)
            low = middle;
        else
            end = middle;
    }
    return low;
}

/* Which children of the root the targets belong to, and how far into them. Ascending targets cost
 * one walk along the root, whatever their number. */
static void enter_root(const Tree *tree, const double *targets, Py_ssize_t count, int64_t *found,
                       float *rest)
{
    const Level *lower = &tree->levels[tree->num_levels - 1];
    const double *before = tree->root_before;
    Py_ssize_t last = tree->levels[tree->num_levels].num_children - 1, child = 0;
    for (Py_ssize_t k = 0; k < count; k++) {
        if (targets[k] < before[child])
            child = find_in_root(before, 0, child, targets[k]);
        while (child < last && before[child + 1] <= targets[k])
            child++;
        found[k] = child;
        rest[k] = (float)(targets[k] - before[child]);
        PREFETCH(lower->before + child * FAN_OUT);
        PREFETCH(lower->before + child * FAN_OUT + FAN_OUT / 2);
    }
}

static void descend(const Tree *tree, int i, Py_ssize_t count, int64_t *found, float *rest)
{
    const float *before = tree->levels[i].before;
    /* Rounding can lead to a child of the last node that is padding, and no node of the level below. */
    const int64_t last = i ? tree->levels[i - 1].num_children / FAN_OUT - 1 : INT64_MAX;
    for (Py_ssize_t k = 0; k < count; k++) {
        const float *row = before + found[k] * FAN_OUT;
        const float here = rest[k];
        int32_t beyond = 0;
        for (int child = 0; child < FAN_OUT; child++)
            beyond += row[child] > here;
        /* The first child is never beyond, so that rounding cannot lead out of a node. */
        int64_t child = found[k] * FAN_OUT + FAN_OUT - 1 - beyond;
        child = child < last ? child : last;
        found[k] = child;
        if (i == 0) {
            PREFETCH(tree->levels[0].children + child);
        } else {
            rest[k] = here - before[child];
            PREFETCH(tree->levels[i - 1].before + child * FAN_OUT);
            PREFETCH(tree->levels[i - 1].before + child * FAN_OUT + FAN_OUT / 2);
        }
    }
}

static PyObject *draw(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    Tree tree;
    Py_buffer points, found, masses;
    PyObject *result = NULL;
    if (nargs != 5) {
        PyErr_SetString(PyExc_TypeError, "draw(arrays, points, unit, found, masses)");
        return NULL;
    }
    const double unit = PyFloat_AsDouble(args[2]);
    if (unit == -1.0 && PyErr_Occurred())
        return NULL;
    if (open_tree(args[0], &tree) < 0)
        return NULL;
    if (get_buffer(args[1], &points, sizeof(double), PyBUF_WRITABLE) < 0)
        goto close;
    if (get_buffer(args[3], &found, sizeof(int64_t), PyBUF_WRITABLE) < 0)
        goto release_points;
    if (get_buffer(args[4], &masses, sizeof(float), PyBUF_WRITABLE) < 0)
        goto release_found;
    Py_ssize_t count = points.len / (Py_ssize_t)sizeof(double);
    if (found.len / (Py_ssize_t)sizeof(int64_t) != count ||
        masses.len / (Py_ssize_t)sizeof(float) != count) {
        PyErr_SetString(PyExc_ValueError, "as many places as points are needed");
        goto release_masses;
    }
    double *target = points.buf;
    int64_t *index = found.buf;
    float *rest = masses.buf; /* until the masses are known */
    const double part = tree.root_before[tree.levels[tree.num_levels].num_children] / (double)count;
    for (Py_ssize_t k = 0; k < count; k++)
        target[k] = (target[k] + (double)k) * part;
    enter_root(&tree, target, count, index, rest);
    for (int i = tree.num_levels - 1; i >= 0; i--)
        descend(&tree, i, count, index, rest);
    float smallest = count ? tree.levels[0].children[index[0]] : 0.0f;
    for (Py_ssize_t k = 0; k < count; k++) {
        const float mass = tree.levels[0].children[index[k]];
        smallest = mass < smallest ? mass : smallest;
        rest[k] = mass;
    }
    const float divisor = unit > 0.0 ? (float)unit : smallest;
    if (smallest > 0.0f)
        for (Py_ssize_t k = 0; k < count; k++)
            rest[k] /= divisor;
    result = PyBool_FromLong(smallest > 0.0f);
release_masses:
    PyBuffer_Release(&masses);
release_found:
    PyBuffer_Release(&found);
release_points:
    PyBuffer_Release(&points);
close:
    close_tree(&tree);
    return result;
}

/* A function of this module as the table of methods wants it, whatever its arguments. */
#define METHOD(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef methods[] = {
    {"assign", METHOD(assign), METH_FASTCALL, NULL},
    {"assign_range", METHOD(assign_range), METH_FASTCALL, NULL},
    {"accumulate", METHOD(accumulate), METH_O, NULL},
    {"draw", METHOD(draw), METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_sum_tree_compiled",
    .m_doc = "The loops of a sum tree, compiled.",
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__sum_tree_compiled(void)
{
    return PyModuleDef_Init(&definition);
}
