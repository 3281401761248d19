// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "lapack.h"

#include <cblas.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>

// Chooses the kernels anew, by OPENBLAS_CORETYPE if it is set. False if this build has one set.
//
// Builds that choose at run time export the two functions, but no header declares them, and other
// builds have not got them: hence the lookup by name.
static inline bool shim_blas_choose_again(void) {
    void (*quit)(void) = (void (*)(void))dlsym(NULL, "gotoblas_dynamic_quit");
    void (*init)(void) = (void (*)(void))dlsym(NULL, "gotoblas_dynamic_init");
    if (quit == NULL || init == NULL) return false;
    quit();
    init();
    return true;
}
