// The library: one import gives everything that its documentation names.
@_exported import Autograd
@_exported import Commands
@_exported import Communication
@_exported import DataParallel
@_exported import Datasets
@_exported import Layers
@_exported import Optimizers
@_exported import Recipes
@_exported import System
@_exported import Tensors
@_exported import Training
