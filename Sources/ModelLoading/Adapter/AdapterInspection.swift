// SPDX-License-Identifier: Apache-2.0

/// What a folder with an adapter holds, and whether it could be served; for people and programs.
package struct AdapterInspection: Sendable, Equatable, Codable {
    /// One thing that speaks against serving the adapter.
    package struct Refusal: Sendable, Equatable, Codable {
        package let code: ModelLoadingError.Code
        package let message: String
        package let path: String?
        package let key: String?

        init(_ error: ModelLoadingError) {
            code = error.code
            message = error.message
            path = error.path
            key = error.key
        }
    }

    package let path: String
    /// The distinct ranks of the sites that could be read, ascending.
    package let ranks: [Int]
    /// `lora_alpha`; single sites may have their own.
    package let alpha: Double?
    /// `alpha/r` or `alpha/sqrt(r)`.
    package let scaling: String?
    /// The distinct scales of the sites that could be read, ascending.
    package let scales: [Float]
    /// The linear layers it acts on, as module names inside a block.
    package let targets: [String]
    package let layers: [Int]
    /// The distinct element types in the file, also ones that cannot be read.
    package let elementTypes: [String]
    /// Bytes of the factors, without the file's header.
    package let byteCount: Int
    package let parameterCount: Int
    package let baseModelName: String?
    /// Everything that speaks against serving it; empty if it can be served.
    package let refusals: [Refusal]

    /// Looks at a folder, checking it against `model` if there is one; faults become `refusals`.
    package init(folder: String, for model: ModelConfiguration? = nil) {
        let reading = AdapterReading(folder: folder, model: model)
        let sites = reading.sites
        path = folder
        ranks = Set(sites.values.map(\.rank)).sorted()
        alpha = reading.plan?.alpha
        scaling = reading.plan.map { $0.isRankStabilised ? "alpha/sqrt(r)" : "alpha/r" }
        scales = Set(sites.values.map(\.scale)).sorted()
        let kinds = Set(sites.keys.map(\.linear))
        targets = LinearKind.allCases.filter(kinds.contains).map(\.moduleName)
        layers = Set(sites.keys.map(\.layer)).sorted()
        elementTypes = Set((reading.file?.header.entries ?? []).map(\.type)).sorted()
        byteCount = sites.values.reduce(0) { $0 + $1.a.byteCount + $1.b.byteCount }
        parameterCount = sites.values.reduce(0) { $0 + $1.a.elementCount + $1.b.elementCount }
        baseModelName = reading.plan?.baseModelName
        refusals = reading.problems.map(Refusal.init)
    }
}
