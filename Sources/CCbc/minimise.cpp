// SPDX-License-Identifier: Apache-2.0

#include "CCbc.h"

#include <coin/CbcHeuristic.hpp>
#include <coin/CbcModel.hpp>
#include <coin/CglGomory.hpp>
#include <coin/CglKnapsackCover.hpp>
#include <coin/CglMixedIntegerRounding2.hpp>
#include <coin/OsiClpSolverInterface.hpp>

#include <cmath>
#include <cstring>
#include <exception>
#include <vector>

namespace {

// Below so many variables the search is over before cuts have paid for themselves.
constexpr int few_variables = 500;

std::vector<double> finite(const double *values, int count) {
    std::vector<double> result(values, values + count);
    for (double &value : result) {
        if (std::isinf(value)) value = value > 0 ? COIN_DBL_MAX : -COIN_DBL_MAX;
    }
    return result;
}

double price(const CbcProgram *program, const double *solution) {
    double sum = 0;
    for (int i = 0; i < program->variables; i++) sum += program->prices[i] * solution[i];
    return sum;
}

CbcOutcome minimise(
    const CbcProgram *program, const double *start, double seconds, double *solution,
    double *bound
) {
    OsiClpSolverInterface solver;
    solver.messageHandler()->setLogLevel(0);
    solver.getModelPtr()->setLogLevel(0);
    solver.setHintParam(OsiDoReducePrint, true, OsiHintTry);
    solver.loadProblem(
        program->variables, program->rows, program->starts, program->row_indices, program->values,
        finite(program->lower, program->variables).data(),
        finite(program->upper, program->variables).data(), program->prices,
        finite(program->row_lower, program->rows).data(),
        finite(program->row_upper, program->rows).data());
    for (int i = 0; i < program->integer_count; i++) solver.setInteger(program->integers[i]);
    CbcModel model(solver);
    model.setLogLevel(0);
    model.messageHandler()->setLogLevel(0);
    model.solver()->messageHandler()->setLogLevel(0);
    model.setMaximumSeconds(seconds);
    model.setRandomSeed(1);
    CbcRounding rounding(model);
    CglGomory gomory;
    CglKnapsackCover knapsack;
    CglMixedIntegerRounding2 mixed;
    model.addHeuristic(&rounding);
    if (program->variables >= few_variables) {
        model.addCutGenerator(&gomory, -99, "gomory");
        model.addCutGenerator(&knapsack, -99, "knapsack");
        model.addCutGenerator(&mixed, -99, "mixed");
    }
    model.initialSolve();
    if (model.solver()->isProvenPrimalInfeasible()) return CBC_NOTHING;
    if (start != nullptr) {
        model.setBestSolution(start, program->variables, price(program, start), true);
    }
    model.branchAndBound();
    const double *best = model.bestSolution();
    if (best == nullptr) return CBC_NOTHING;
    std::memcpy(solution, best, sizeof(double) * static_cast<size_t>(program->variables));
    *bound = model.getBestPossibleObjValue();
    return model.isProvenOptimal() ? CBC_OPTIMAL : CBC_STOPPED;
}

}  // namespace

CbcOutcome cbc_minimise(
    const CbcProgram *program, const double *start, double seconds, double *solution,
    double *bound
) {
    try {
        return minimise(program, start, seconds, solution, bound);
    } catch (const CoinError &) {
        return CBC_NOTHING;
    } catch (const std::exception &) {
        return CBC_NOTHING;
    }
}
