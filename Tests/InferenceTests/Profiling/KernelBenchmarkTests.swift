// SPDX-License-Identifier: Apache-2.0

import Foundation
import ModelLoading
import Testing

@testable import Inference

/// What is measured and how it adds up; never how fast.
struct KernelBenchmarkTests {
    private static func benchmark() -> KernelBenchmark {
        var benchmark = KernelBenchmark(model: AwkwardModel.configuration)
        benchmark.threads = [1, 2]
        benchmark.rows = [1, 2, 64, 512]
        benchmark.contexts = [5, 300, 1 << 20]
        benchmark.rank = 3
        benchmark.budget = .microseconds(20)
        benchmark.workingSetBytes = 1 << 16
        return benchmark
    }

    @Test func everyKernelIsMeasuredOnEveryInstructionSet() throws {
        let benchmark = Self.benchmark()
        var progress: [Double] = []
        let report = try benchmark.run { progress.append($0) }
        #expect(progress.first == 0 && progress.last == 1 && progress == progress.sorted())
        #expect(report.limits.count == 2 * InstructionSet.available.count)
        for limits in report.limits {
            let rows = report.measurements.filter {
                $0.instructionSet == limits.instructionSet && $0.threads == limits.threads
            }
            #expect(Set(rows.map(\.kernel)) == Set(KernelName.allCases))
            let products = rows.filter { $0.kernel == .product }
            #expect(Set(products.compactMap(\.type)) == Set(WeightType.allCases))
            #expect(Set(products.map(\.rows)) == [1, 2, 64, 512])
            for row in rows {
                let numbers = [
                    row.microsecondsPerCall, row.gigabytesPerSecond, row.gigaflops,
                    row.percentOfLimit,
                ]
                #expect(
                    numbers.allSatisfy { $0.isFinite && $0 > 0 },
                    "\(row.kernel) \(row.shape): \(numbers)")
            }
        }
    }

    private static let report = Result { try benchmark().run() }

    @Test func theShareIsThatOfTheSlowerOfMemoryAndArithmetic() throws {
        let report = try Self.report.get()
        for row in report.measurements {
            let limits = try #require(
                report.limits.first {
                    $0.instructionSet == row.instructionSet && $0.threads == row.threads
                })
            let memory = row.gigabytesPerSecond / limits.gigabytesPerSecond
            let arithmetic = row.gigaflops / limits.gigaflops
            let share = max(memory, arithmetic) * 100
            #expect(abs(share - row.percentOfLimit) <= 1e-6 * share)
            #expect(row.bound == (memory > arithmetic ? .memory : .arithmetic))
        }
    }

    @Test func equalShapesAreMeasuredOnce() {
        let shapes = Self.benchmark().productShapes
        #expect(
            shapes.map(\.text) == [
                "q 132 x 90", "k/v 44 x 90", "o 90 x 132", "gate/up 1037 x 90", "down 90 x 1037",
                "head 203 x 90",
            ])
    }

    @Test func theReportSurvivesJSON() throws {
        let report = try Self.report.get()
        let decoded = try JSONDecoder().decode(
            KernelReport.self, from: JSONEncoder().encode(report))
        #expect(decoded.measurements.map(\.shape) == report.measurements.map(\.shape))
        #expect(decoded.limits.count == report.limits.count)
    }

    @Test func impossibleChoicesAreRefused() {
        let faults: [(inout KernelBenchmark) -> Void] = [
            { $0.threads = [] }, { $0.threads = [0] }, { $0.rows = [0] }, { $0.rows = [] },
            { $0.rank = 0 }, { $0.contexts = [0] }, { $0.types = [] }, { $0.instructionSets = [] },
            { $0.workingSetBytes = 0 },
        ]
        for fault in faults {
            var benchmark = Self.benchmark()
            fault(&benchmark)
            #expect(throws: InferenceError.self) { try benchmark.run() }
        }
    }
}
