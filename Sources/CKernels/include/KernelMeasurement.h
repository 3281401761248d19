// SPDX-License-Identifier: Apache-2.0
#pragma once

// CPU seconds of the calling thread.
double kernel_thread_seconds(void);
// Seconds of a clock that only goes forward.
double kernel_monotonic_seconds(void);
