/*
 * A libnvidia-ml.so.1 with three GPUs and one MIG slice, for tests without hardware.
 *
 * It has the functions that pynvml calls for InjectGpuStats, with the signatures of nvml.h.
 * GPU 2 supports neither power nor throttle reasons. The slice is found by its UUID only, and
 * supports only memory and processes. Tests control the stub through the exported variables.
 * Compiled with -DOLD_DRIVER it is a driver before 535, in which the function for throttle
 * reasons has its older name only.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6,
       INSUFFICIENT_SIZE = 7 };
enum { CLOCK_SM = 1, CLOCK_MEM = 2 };
enum { DEVICES = 4, SLICE = 3 };

volatile unsigned stub_gpus = 3;             /* number of GPUs */
volatile int stub_error = SUCCESS;           /* if not 0, every call returns it */
volatile int stub_gpu_error[DEVICES] = {0};  /* if not 0, requests for the GPU's handle return it */
volatile unsigned stub_calls = 0;            /* number of calls */
volatile int stub_opened = 0;                /* calls of nvmlInit minus calls of nvmlShutdown */

typedef struct {
    const char *uuid;
    unsigned long long total, used, own;
    unsigned utilization, celsius, milliwatts, sm_mhz, memory_mhz;
    unsigned long long reasons;
} device_t;

static const device_t devices[DEVICES] = {
    {"GPU-a1000000-0000-0000-0000-000000000000", 8000, 1000, 300, 10, 40, 100500, 1410, 1215, 0x824},
    {"GPU-a2000000-0000-0000-0000-000000000000", 16000, 2000, 0, 20, 50, 200000, 1510, 1315, 0},
    {"GPU-b3000000-0000-0000-0000-000000000000", 24000, 3000, 0, 30, 60, 0, 1610, 1415, 0},
    {"MIG-c4000000-0000-0000-0000-000000000000", 4000, 400, 40, 0, 0, 0, 0, 0, 0},
};

#define ENTER() do { stub_calls++; if (stub_error) return stub_error; \
                     if (stub_opened <= 0) return UNINITIALIZED; } while (0)
#define NEEDS(supported) do { if (!(supported)) return NOT_SUPPORTED; } while (0)

typedef const device_t *handle_t;

static int open_device(unsigned index, handle_t *out) {
    if (stub_gpu_error[index]) return stub_gpu_error[index];
    *out = &devices[index];
    return SUCCESS;
}

static int is_slice(handle_t device) { return device == &devices[SLICE]; }

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    stub_calls++;
    if (stub_error) return stub_error;
    stub_opened++;
    return SUCCESS;
}

int nvmlShutdown(void) {
    ENTER();
    stub_opened--;
    return SUCCESS;
}

const char *nvmlErrorString(int code) { (void)code; return "an error of the stub"; }

int nvmlDeviceGetCount_v2(unsigned *count) {
    ENTER();
    *count = stub_gpus;
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, handle_t *device) {
    ENTER();
    if (index >= stub_gpus) return INVALID_ARGUMENT;
    return open_device(index, device);
}

int nvmlDeviceGetHandleByUUID(const char *uuid, handle_t *device) {
    ENTER();
    for (unsigned i = 0; i < DEVICES; i++)
        if (strcmp(uuid, devices[i].uuid) == 0) return open_device(i, device);
    return NOT_FOUND;
}

int nvmlDeviceGetUUID(handle_t device, char *uuid, unsigned length) {
    ENTER();
    if (strlen(device->uuid) >= length) return INSUFFICIENT_SIZE;
    strcpy(uuid, device->uuid);
    return SUCCESS;
}

int nvmlDeviceGetName(handle_t device, char *name, unsigned length) {
    ENTER();
    snprintf(name, length, "Stub %.2s", device->uuid + 4);
    return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(handle_t device, unsigned rates[2]) {
    ENTER();
    NEEDS(!is_slice(device));
    rates[0] = device->utilization;
    rates[1] = 99;
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo(handle_t device, unsigned long long memory[3]) {
    ENTER();
    memory[0] = device->total;
    memory[1] = device->total - device->used;
    memory[2] = device->used;
    return SUCCESS;
}

typedef struct {
    unsigned pid;
    unsigned long long used;
    unsigned gpu_instance, compute_instance;
} process_t;

/* GPU 0 and the slice: another process and this one. GPU 1: another process. GPU 2: none. */
int nvmlDeviceGetComputeRunningProcesses_v3(handle_t device, unsigned *count, process_t *processes) {
    ENTER();
    unsigned running = device->own ? 2 : device == &devices[1];
    unsigned capacity = *count;
    *count = running;
    if (capacity < running) return INSUFFICIENT_SIZE;
    if (running > 0) processes[0] = (process_t){1, 77, 0, 0};
    if (running > 1) processes[1] = (process_t){(unsigned)getpid(), device->own, 0, 0};
    return SUCCESS;
}

int nvmlDeviceGetTemperature(handle_t device, unsigned sensor, unsigned *celsius) {
    ENTER();
    if (is_slice(device) || sensor != 0) return INVALID_ARGUMENT;
    *celsius = device->celsius;
    return SUCCESS;
}

int nvmlDeviceGetPowerUsage(handle_t device, unsigned *milliwatts) {
    ENTER();
    NEEDS(device->milliwatts);
    *milliwatts = device->milliwatts;
    return SUCCESS;
}

int nvmlDeviceGetClockInfo(handle_t device, unsigned type, unsigned *mhz) {
    ENTER();
    NEEDS(!is_slice(device));
    if (type != CLOCK_SM && type != CLOCK_MEM) return INVALID_ARGUMENT;
    *mhz = type == CLOCK_SM ? device->sm_mhz : device->memory_mhz;
    return SUCCESS;
}

int nvmlDeviceGetCurrentClocksThrottleReasons(handle_t device, unsigned long long *reasons) {
    ENTER();
    NEEDS(!is_slice(device) && device != &devices[2]);
    *reasons = device->reasons;
    return SUCCESS;
}

#ifndef OLD_DRIVER
int nvmlDeviceGetCurrentClocksEventReasons(handle_t device, unsigned long long *reasons) {
    return nvmlDeviceGetCurrentClocksThrottleReasons(device, reasons);
}
#endif
