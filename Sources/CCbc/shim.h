// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coin/Cbc_C_Interface.h>
