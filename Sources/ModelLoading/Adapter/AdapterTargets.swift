// SPDX-License-Identifier: Apache-2.0

/// Which linear layers an adapter's configuration names.
///
/// The rules are those of `check_target_module_exists` in PEFT, `tuners/tuners_utils.py`.
struct AdapterTargets {
    /// `target_modules` or `exclude_modules`.
    enum Selection {
        case none
        case allLinear
        /// Each is a module's whole name, or ends it after a dot.
        case names([String])
        case pattern(ModulePattern)

        /// Whether a module is selected, and if so whether by its whole name.
        func selects(_ module: String) throws(ModelLoadingError) -> (Bool, byWholeName: Bool) {
            switch self {
            case .none:
                return (false, false)
            case .allLinear:
                return (true, true)
            case .names(let names):
                if names.contains(module) { return (true, true) }
                return (names.contains { module.ends(withComponents: $0) }, false)
            case .pattern(let pattern):
                return (try pattern.matches(module), true)
            }
        }
    }

    var targets = Selection.none
    var exclusions = Selection.none
    /// Layers that names which are not whole ones are limited to; nil for all.
    var layers: Set<Int>?

    /// Whether the configuration puts an adapter on this site.
    func includes(_ site: AdapterSite) throws(ModelLoadingError) -> Bool {
        let module = site.moduleName
        if try exclusions.selects(module).0 { return false }
        let (isSelected, byWholeName) = try targets.selects(module)
        guard isSelected, !byWholeName, let layers else { return isSelected }
        return layers.contains(site.layer)
    }

    /// Names in `target_modules` that are no linear layer of a model with this many layers.
    func unmatchedNames(layerCount: Int) -> [String] {
        guard case .names(let names) = targets else { return [] }
        let modules = (0..<layerCount).flatMap { layer in
            LinearKind.allCases.map { AdapterSite(layer: layer, linear: $0).moduleName }
        }
        return names.filter { name in
            !modules.contains { $0 == name || $0.ends(withComponents: name) }
        }
    }
}

extension String {
    /// Whether the text ends with a dot and `name`, byte for byte.
    ///
    /// `hasSuffix` compares characters from the end, which takes most of the time of opening an
    /// adapter.
    fileprivate func ends(withComponents name: String) -> Bool {
        let (whole, part) = (utf8, name.utf8)
        guard whole.count > part.count else { return false }
        let tail = whole.suffix(part.count + 1)
        return tail.first == UInt8(ascii: ".") && tail.dropFirst().elementsEqual(part)
    }
}
