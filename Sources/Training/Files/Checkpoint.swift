// SPDX-License-Identifier: Apache-2.0

internal import ModelLoading

/// A run that was interrupted, in one file: `.safetensors` with the parameters, the optimiser's
/// means, and the best parameters so far; numbers are in its metadata, fractions as hexadecimal bits.
enum Checkpoint {
    private static let format = "burrow-training/1"

    /// Writes the state of a run over the one before.
    static func write(
        _ run: TrainingRun<Float>, of identity: String, to path: String
    ) throws(TrainingError) {
        let progress = run.progress
        var metadata = [
            "format": format, "run": identity, "step": String(run.optimiser.step),
            "best_step": String(progress.bestStep), "waited": String(progress.waited),
            "over": String(progress.isOver),
            "shares": run.average.shares.map { String($0.bitPattern, radix: 16) }.joined(
                separator: " "),
        ]
        if let best = progress.best {
            metadata["best_loss"] = String(best.loss.bitPattern, radix: 16)
            metadata["best_exact"] = String(best.exact.bitPattern, radix: 16)
        }
        var tensors: [NamedTensor] = []
        for (part, matrices) in parts(of: run) {
            for (parameter, matrix) in zip(run.network.parameters, matrices) {
                tensors.append(
                    NamedTensor("\(part).\(parameter.name)", parameter.shape, matrix.values))
            }
        }
        do {
            try SafetensorsWriter.write(tensors, metadata: metadata, to: path)
        } catch {
            throw TrainingError(.unwritable, error.description)
        }
    }

    /// Brings a run to where the file's was.
    ///
    /// - Throws: `wrongCheckpoint` where it is that of another run.
    static func restore(
        _ run: TrainingRun<Float>, of identity: String, from path: String
    ) throws(TrainingError) {
        let file: TensorFile
        do {
            file = try TensorFile(path: path)
        } catch {
            throw TrainingError(.unreadable, error.description)
        }
        guard file.metadata["format"] == format else {
            throw TrainingError(.wrongCheckpoint, "is no checkpoint of this program", at: path)
        }
        guard file.metadata["run"] == identity else {
            throw TrainingError(
                .wrongCheckpoint,
                "is that of another run: \(file.metadata["run"] ?? "?"); this one is: \(identity)",
                at: path)
        }
        try restoreProgress(run, file, path)
        let tensors = Dictionary(
            file.tensors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        for (part, matrices) in parts(of: run) {
            for (parameter, matrix) in zip(run.network.parameters, matrices) {
                let name = "\(part).\(parameter.name)"
                guard let tensor = tensors[name], tensor.shape == parameter.shape else {
                    throw TrainingError(
                        .wrongCheckpoint, "lacks \(name) \(parameter.shape)", at: path)
                }
                matrix.copy(Matrix(matrix.rows, matrix.columns, tensor.values))
            }
        }
    }

    private static func restoreProgress(
        _ run: TrainingRun<Float>, _ file: TensorFile, _ path: String
    ) throws(TrainingError) {
        func number(_ key: String) throws(TrainingError) -> Int {
            guard let number = file.metadata[key].flatMap({ Int($0) }), number >= 0 else {
                throw TrainingError(.wrongCheckpoint, "has no number '\(key)'", at: path)
            }
            return number
        }
        func fraction(_ key: String) -> Double? {
            file.metadata[key].flatMap { UInt64($0, radix: 16) }.map(Double.init(bitPattern:))
        }
        run.optimiser.resume(atStep: try number("step"))
        run.progress.bestStep = try number("best_step")
        run.progress.waited = try number("waited")
        let shares = (file.metadata["shares"] ?? "").split(separator: " ").compactMap {
            UInt64($0, radix: 16).map(Double.init(bitPattern:))
        }
        guard shares.count == run.average.shares.count else {
            throw TrainingError(.wrongCheckpoint, "has \(shares.count) shares", at: path)
        }
        run.average.shares = shares
        run.progress.isOver = file.metadata["over"] == "true"
        if let loss = fraction("best_loss"), let exact = fraction("best_exact") {
            run.progress.best = Evaluation(loss: loss, exact: exact)
        }
    }

    private static func parts(of run: TrainingRun<Float>) -> [(String, [Matrix<Float>])] {
        [
            ("parameter", run.network.parameters.map(\.matrix)), ("mean", run.optimiser.means),
            ("square", run.optimiser.squares), ("best", run.best),
        ]
    }
}
