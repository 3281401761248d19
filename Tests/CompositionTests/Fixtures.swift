// SPDX-License-Identifier: Apache-2.0

import Foundation
import ModelLoading
import TestSupport

@testable import Composition

/// A folder that is removed with the value.
struct TemporaryFolder: ~Copyable {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory
            .appendingPathComponent("composition-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    func write(_ name: String, _ text: String) throws -> String {
        let file = "\(path)/\(name)"
        try Data(text.utf8).write(to: URL(fileURLWithPath: file))
        return file
    }
}

extension SeededRandom {
    mutating func normals(_ count: Int) -> [Double] {
        (0..<count).map { _ in
            let radius = (-2 * log(Double.random(in: 1e-12..<1, using: &self))).squareRoot()
            return radius * cos(2 * .pi * Double.random(in: 0..<1, using: &self))
        }
    }

    mutating func matrix(_ rows: Int, _ columns: Int) -> Matrix {
        Matrix(rows: rows, columns: columns, values: normals(rows * columns))
    }

    mutating func product(_ rows: Int, _ columns: Int, rank: Int) -> LowRankProduct {
        LowRankProduct(left: matrix(rows, rank), right: matrix(rank, columns))
    }
}

extension Matrix {
    /// The product by the definition, against which the library's is held.
    func times(_ other: Matrix) -> Matrix {
        var result = Matrix(zeros: rows, other.columns)
        for row in 0..<rows {
            for column in 0..<other.columns {
                result[row, column] = (0..<columns).reduce(0) {
                    $0 + self[row, $1] * other[$1, column]
                }
            }
        }
        return result
    }

    func distance(to other: Matrix) -> Double {
        var difference = self
        difference.add(other, times: -1)
        return difference.norm
    }
}

/// A model whose sizes are multiples of nothing, and adapters for it.
enum OddModel {
    static let configuration = ModelConfiguration(
        family: .llama, hiddenSize: 18, intermediateSize: 29, layerCount: 2, headCount: 3,
        kvHeadCount: 1, headSize: 6, vocabularySize: 31, contextLength: 64)

    static let sites = [
        AdapterSite(layer: 0, linear: .q), AdapterSite(layer: 0, linear: .v),
        AdapterSite(layer: 1, linear: .down),
    ]

    /// Random factors on some sites, with a scale that is not 1.
    static func adapter(
        _ name: String, rank: Int = 3, scale: Float = 1.75, seed: UInt64,
        sites: [AdapterSite] = sites
    ) throws -> AdapterWeights {
        var random = SeededRandom(seed: seed)
        var factors: [AdapterSite: LoRAFactors] = [:]
        for site in sites {
            let (inputs, outputs) = (
                configuration.inputSize(of: site.linear), configuration.outputSize(of: site.linear)
            )
            factors[site] = LoRAFactors(
                site: site, rank: rank, scale: scale,
                a: random.normals(rank * inputs).map(Float.init),
                b: random.normals(rank * outputs).map(Float.init))
        }
        return try AdapterWeights(
            name: name, computed: factors, for: configuration, baseModelName: "odd")
    }
}

extension AdapterWeights {
    /// What the adapter adds to a layer's weights; zeros where it does not act.
    func update(at site: AdapterSite, for model: ModelConfiguration) throws -> Matrix {
        guard let factors = sites[site] else {
            return Matrix(
                zeros: model.outputSize(of: site.linear), model.inputSize(of: site.linear))
        }
        let b = Matrix(
            rows: factors.b.shape[0], columns: factors.rank, floats: try factors.b.floats())
        let a = Matrix(
            rows: factors.rank, columns: factors.a.shape[1], floats: try factors.a.floats())
        return b.times(a).scaled(by: Double(factors.scale))
    }
}

/// The adapters that PEFT saved.
enum Golden {
    static let names = ["all-r8", "layers-some", "patterned", "qv-rslora-r4", "wide-r32"]

    static let folder = Repository.path(of: "Tests/Goldens/llama-tied-bf16")

    static func model() throws -> ModelConfiguration {
        try ModelConfiguration.open(folder: "\(folder)/base")
    }

    static func adapter(_ name: String) throws -> AdapterWeights {
        try AdapterWeights.open(folder: "\(folder)/adapters/\(name)", name: name, for: model())
    }
}
