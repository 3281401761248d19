// SPDX-License-Identifier: Apache-2.0

import Foundation
import PolicyKit
import Testing

@testable import PluginLoading

/// Each fault of a library has a refusal of its own, which says how to cure it.
struct RefusalTests {
    private let folder: TemporaryFolder
    private let state: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        state = try TemporaryFolder()
    }

    private func refusal(of path: String) -> PluginError? {
        do throws(PluginError) {
            _ = try PluginLibrary.load(path, into: state.path)
            return nil
        } catch {
            return error
        }
    }

    private func expect(
        _ path: String, _ code: PluginError.Code, saying words: String...,
        location: SourceLocation = #_sourceLocation
    ) {
        let error = refusal(of: path)
        #expect(error?.code == code, "\(error?.description ?? "loaded")", sourceLocation: location)
        #expect(error?.subject == path, sourceLocation: location)
        // A file that cannot be read, or a folder, is no build's fault.
        if code != .unreadable {
            #expect(
                error?.message.contains("`burrow plugin ") == true, "\(error?.description ?? "")",
                sourceLocation: location)
        }
        for word in words {
            #expect(
                error?.message.contains(word) == true, "\(error?.description ?? "")",
                sourceLocation: location)
        }
    }

    private func realPlugin() throws -> [UInt8] {
        try LibraryFile.read(builtPlugin("MergedOnly"))
    }

    // MARK: - Files that are no plugins

    @Test func aMissingFileIsUnreadable() {
        expect("\(folder.path)/none.so", .unreadable, saying: "No such file")
    }

    @Test func aFolderIsNoLibrary() {
        expect(folder.path, .unreadable, saying: "not a file")
    }

    @Test(arguments: ["", "x", "#!/bin/sh\necho no library\n"])
    func aTextIsNoELFFile(text: String) throws {
        expect(try folder.write("text.so", text.utf8), .notELF, saying: "not an ELF file")
    }

    @Test(arguments: [4, 17, 63, 64, 100, 1_000, 10_000, -1])
    func aCutFileIsDamaged(length: Int) throws {
        let bytes = try realPlugin()
        let kept = length < 0 ? bytes.count - 1 : length
        expect(
            try folder.write("cut.so", bytes.prefix(kept)), .damaged, saying: "truncated", "again")
    }

    @Test func anotherProcessorIsNamed() throws {
        var bytes = try realPlugin()
        let other: (code: UInt8, name: String) =
            bytes[18] == 183 ? (62, "x86_64") : (183, "aarch64")
        bytes[18] = other.code
        expect(
            try folder.write("arch.so", bytes), .wrongArchitecture, saying: other.name, "rebuild")
    }

    @Test func anExecutableObjectIsNoSharedLibrary() throws {
        var bytes = try realPlugin()
        bytes[16] = 1
        expect(try folder.write("object.so", bytes), .notAPlugin, saying: "no shared library")
    }

    @Test func aPlainLibraryIsNoPlugin() throws {
        let path = try Toolchain.buildC(
            "int answer(void) { return 42; }", name: "Plain", in: folder, arguments: [])
        expect(path, .notAPlugin, saying: "no section 'burrow_plugin'", "burrow plugin new")
    }

    @Test func aSectionWithOtherContentIsNoHeader() throws {
        let source = PluginSource.c(magic: "0x3149494941524f4c")
        let path = try Toolchain.buildC(source, name: "Magic", in: folder)
        expect(path, .notAPlugin, saying: "does not hold the header")
    }

    // MARK: - Plugins for another host

    @Test func anotherInterfaceNamesBothNumbers() throws {
        let path = try Toolchain.buildC(
            PluginSource.c(interface: 9), name: "Interface", in: folder)
        expect(
            path, .wrongInterface, saying: "interface 9", "interface \(policyKitInterface)",
            "burrow plugin build NAME")
    }

    @Test func anotherCompilerIsNamed() throws {
        var bytes = try realPlugin()
        let mark = Array("clang version ".utf8)
        for start in bytes.indices.dropLast(mark.count)
        where bytes[start..<start + mark.count].elementsEqual(mark) {
            bytes[start + mark.count] = UInt8(ascii: "9")
        }
        expect(
            try folder.write("compiler.so", bytes), .wrongCompiler, saying: "clang version 9",
            "swift --version")
    }

    @Test func aStaticPolicyKitIsRefused() throws {
        let objects = try FileManager.default.contentsOfDirectory(
            atPath: "\(buildFolder)/PolicyKit.build"
        ).filter { $0.hasSuffix(".o") }.map { "\(buildFolder)/PolicyKit.build/\($0)" }
        #expect(!objects.isEmpty)
        let path = try Toolchain.buildSwift(
            PluginSource.swift(), module: "Static", in: folder, arguments: objects)
        expect(path, .staticPolicyKit, saying: "linked into it statically", "product PolicyKit")
    }

    @Test func aPluginWithoutPolicyKitIsRefused() throws {
        let path = try Toolchain.buildC(
            PluginSource.c(), name: "Alone", in: folder, arguments: [])
        expect(path, .staticPolicyKit, saying: "does not need libPolicyKit.so")
    }

    @Test func aStaticRuntimeIsRefused() throws {
        let path = try Toolchain.buildSwift(
            PluginSource.swift(), module: "Runtime", in: folder,
            arguments: ["-lPolicyKit", "-static-stdlib"])
        expect(path, .staticRuntime, saying: "Swift runtime", "-static-stdlib")
    }

    @Test func aForeignConformanceIsRefused() throws {
        let path = try Toolchain.buildSwift(
            PluginSource.swift(extra: "extension Int: @retroactive PolicyParameters {}"),
            module: "Foreign", in: folder)
        expect(
            path, .foreignConformance, saying: "Swift.Int conform to PolicyKit.PolicyParameters")
    }

    // MARK: - Plugins that lack something

    @Test func aNewerPolicyKitIsToldByTheSymbol() throws {
        let path = try Toolchain.buildC(
            PluginSource.c(symbols: ["$s9PolicyKit13futureFeatureyyF"]), name: "Newer", in: folder)
        expect(path, .undefinedSymbol, saying: "PolicyKit.futureFeature() -> ()", "rebuild")
    }

    @Test func aHeaderThatLiesIsFoundOut() throws {
        let path = try Toolchain.buildC(
            PluginSource.c(guardSymbol: "$s9PolicyKit06policyB6Guard9yyF"), name: "Liar",
            in: folder)
        expect(path, .undefinedSymbol, saying: "PolicyKit.policyKitGuard9()")
    }

    @Test func aSymbolThatNobodyHasIsNamed() throws {
        let path = try Toolchain.buildC(
            PluginSource.c(symbols: ["$s7Nowhere4findSiyF"]), name: "Symbol", in: folder)
        expect(path, .undefinedSymbol, saying: "Nowhere.find() -> Swift.Int", "link")
    }

    @Test func aMissingLibraryIsNamed() throws {
        let missing = try Toolchain.buildC(
            "void gone(void) {}", name: "zz_missing", in: folder,
            arguments: ["-Wl,-soname,libzz_missing.so"])
        let path = try Toolchain.buildC(
            PluginSource.c(symbols: ["gone"]), name: "Needy", in: folder,
            arguments: ["-Wl,--no-as-needed", "-lPolicyKit", missing])
        try FileManager.default.removeItem(atPath: missing)
        expect(path, .missingLibrary, saying: "libzz_missing.so", "burrow plugin doctor")
    }

    @Test func aMissingEntryPointIsNamed() throws {
        let path = try Toolchain.buildC(
            PluginSource.c(entryPoint: "another_export"), name: "Entry", in: folder)
        expect(path, .missingEntryPoint, saying: "burrow_plugin_export", "burrow plugin new")
    }

    @Test func anEntryPointThatAnswersNothingIsRefused() throws {
        let path = try Toolchain.buildC(PluginSource.c(), name: "Nothing", in: folder)
        expect(path, .missingEntryPoint, saying: "answers with nothing")
    }

    @Test func anEntryPointWithoutPolicyKitIsRefused() throws {
        let path = try Toolchain.buildC(
            PluginSource.c(guardSymbol: "getpid"), name: "Unguarded", in: folder)
        expect(path, .missingEntryPoint, saying: "PluginExport.retained")
    }

    // MARK: - Plugins whose policies are wrong

    @Test func aPluginWithoutPoliciesIsRefused() throws {
        let path = try Toolchain.buildSwift(
            PluginSource.swift(exports: ""), module: "Barren", in: folder)
        expect(path, .noPolicies, saying: "PluginExport.retained")
    }

    @Test func aFaultyDeclarationIsRefused() throws {
        let parameter = "@Parameter(\"Unused.\", in: 1...8) var width: Int = 9"
        let path = try Toolchain.buildSwift(
            PluginSource.swift(parameter: parameter), module: "Faulty", in: folder)
        expect(path, .invalidDeclaration, saying: "'width' takes an integer from 1 to 8, not 9")
    }

    // MARK: - The state folder

    @Test func aStateFolderThatCannotBeMadeIsReported() {
        let error = #expect(throws: PluginError.self) {
            try PluginLibrary.load(builtPlugin("MergedOnly"), into: "/proc/no-such-folder")
        }
        #expect(error?.code == .stateFolder)
    }
}
