// SPDX-License-Identifier: Apache-2.0

import Foundation
import Training

/// How far training is: a line that is drawn anew on a terminal, elsewhere a line for each look at
/// the other data.
struct TrainingDisplay {
    private let isOnTerminal = isatty(STDERR_FILENO) == 1
    private var start = ContinuousClock.now
    private var drawn: ContinuousClock.Instant?
    private var firstStep: Int?
    private var tokens = 0
    private var loss: Double?
    private var looked: Evaluation?

    mutating func show(_ report: TrainingReport) {
        // The time of the first step is not in the rate: memory is still being fetched.
        guard let firstStep else {
            firstStep = report.step
            start = .now
            note(report)
            return
        }
        note(report)
        tokens += report.tokens
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let perStep = seconds / Double(max(1, report.step - firstStep))
        let text = line(report, seconds: seconds, perStep: perStep)
        if isOnTerminal {
            guard drawn.map({ ContinuousClock.now - $0 > .milliseconds(100) }) ?? true else {
                return
            }
            drawn = .now
            FileHandle.standardError.write(Data("\r\u{1B}[2K\(text)".utf8))
        } else if report.evaluation != nil {
            complain(text)
        }
    }

    /// Wipes the line.
    func end() {
        if isOnTerminal { FileHandle.standardError.write(Data("\r\u{1B}[2K".utf8)) }
    }

    private mutating func note(_ report: TrainingReport) {
        // Batches differ; the mean of some twenty shows where the loss goes.
        loss = loss.map { $0 + (report.loss - $0) / 20 } ?? report.loss
        looked = report.evaluation ?? looked
    }

    private func line(_ report: TrainingReport, seconds: Double, perStep: Double) -> String {
        let width = 20
        let share = Double(report.step) / Double(max(1, report.steps))
        let full = Int(share * Double(width))
        let bar = String(repeating: "█", count: full) + String(repeating: "░", count: width - full)
        var parts = [
            "\(bar) step \(report.step) of \(report.steps)",
            String(format: "loss %.4f", loss ?? report.loss),
        ]
        if let looked {
            parts.append(String(format: "dev %.4f, %.1f %% exact", looked.loss, 100 * looked.exact))
        }
        parts.append("\(HumanText.count(Int(Double(tokens) / max(seconds, 1e-9)))) tokens/s")
        parts.append(
            "\(HumanText.duration(perStep * Double(report.steps - report.step))) left")
        return parts.joined(separator: ", ")
    }
}
